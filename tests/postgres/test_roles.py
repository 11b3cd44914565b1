"""Every service is its own PostgreSQL role; into another's schema it gets through doors only."""

import asyncpg
import pytest

from shared.postgres.migrations import ORDER, migrate
from shared.postgres.pool import Connection, open_pool

READ = "SELECT * FROM {}"
STATEMENTS = (READ, "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES", "TRUNCATE {}", "LOCK TABLE {}", "DROP TABLE {}")
SHOWN_TO_OPERATORS = {("portal", "scheduler.ticks")}
ALSO_DOORS = {"shown_id"}
MONEY = {
    "post_credit_v1": {"payments"},
    "refund_debit_v1": {"payments"},
    "post_transfers_v1": set[str](),
    "post_usage_v1": set[str](),
    "write_holds_v1": {"gatekeeper"},
    "grant_minutes_v1": {"subscriptions"},
    "set_suspension_v1": {"payments"},
    "set_access_v1": {"subscriptions"},
}
"""Who may call what decides about money, beside the ledger."""
COLUMN = """
    SELECT quote_ident(attname) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = $2 AND attnum > 0 AND attidentity = '' AND attgenerated = '' ORDER BY attnum LIMIT 1
"""
FUNCTIONS = """
    SELECT proname, format('%s(%s)', pg_proc.oid::regproc, (
        SELECT string_agg(format('NULL::%s', format_type(type, NULL)), ', ' ORDER BY place)
        FROM unnest(proargtypes) WITH ORDINALITY AS t (type, place))) AS call
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE nspname = ANY($1) AND nspname <> $2 AND prorettype <> 'trigger'::regtype ORDER BY 1
"""
VIEWS = "SELECT schemaname || '.' || viewname AS name FROM pg_views WHERE schemaname = ANY($1) AND schemaname <> $2"


async def tables(connection: Connection) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2", list(ORDER)
    )
    return [(row["schemaname"], row["tablename"]) for row in rows]


async def tried(connection: Connection, statement: str) -> bool:
    """Whether the role may do this; what goes wrong otherwise is no refusal. Nothing is left of it."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(statement)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError):
        return False
    except asyncpg.PostgresError:
        return True
    else:
        return True
    finally:
        await attempt.rollback()


@pytest.mark.parametrize("service", ORDER)
async def test_a_service_is_refused_every_table_of_the_others(database_url: str, service: str) -> None:
    """«Crossing the line fails with *permission denied*» (design §2): each statement on each table is tried."""
    pool = await open_pool(database_url, service)
    async with pool.acquire() as connection:
        foreign = [(schema, table) for schema, table in await tables(connection) if schema != service]
        assert foreign
        for schema, table in foreign:
            name = f"{schema}.{table}"
            column = await connection.fetchval(COLUMN, schema, table)
            for statement in (*STATEMENTS, f"UPDATE {{}} SET {column} = {column}"):
                may = statement == READ and (service, name) in SHOWN_TO_OPERATORS
                assert await tried(connection, statement.format(name)) is may, (service, statement.format(name))
    await pool.close()


@pytest.mark.parametrize("service", ORDER)
async def test_a_service_passes_only_through_doors(database_url: str, service: str) -> None:
    """Every function and view of the others is tried: what may be used is versioned, and no view may be written."""
    pool = await open_pool(database_url, service)
    async with pool.acquire() as connection:
        doors = await connection.fetch(FUNCTIONS, list(ORDER), service)
        assert doors
        for door in doors:
            may = await tried(connection, f"SELECT {door['call']}")
            assert not may or door["proname"] in ALSO_DOORS or door["proname"].endswith("_v1"), (service, door["call"])
            if door["proname"] in MONEY and service != "ledger":
                assert may is (service in MONEY[door["proname"]]), (service, door["proname"])
        for view in await connection.fetch(VIEWS, list(ORDER), service):
            assert not await tried(connection, f"SELECT * FROM {view['name']} LIMIT 0") or view["name"].endswith("_v1")
            assert not await tried(connection, f"DELETE FROM {view['name']}")
    await pool.close()


async def test_the_audit_role_reads_everything_and_writes_nothing(database_url: str) -> None:
    pool = await open_pool(database_url, "audit")
    async with pool.acquire() as connection:
        for schema, table in await tables(connection):
            await connection.execute(f"SELECT * FROM {schema}.{table} LIMIT 1")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DELETE FROM {schema}.{table}")
    await pool.close()


async def test_even_the_ledger_cannot_rewrite_history(database_url: str) -> None:
    pool = await open_pool(database_url, "ledger")
    for table in ("transfers", "pool_transfers", "price_books", "account_prices"):
        for statement in (f"DELETE FROM ledger.{table}", f"UPDATE ledger.{table} SET created_at = now()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)
    await pool.close()


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert await migrate(database_url) == []


async def test_a_function_whose_parameters_changed_leaves_no_old_self_behind(database_url: str) -> None:
    """Data is kept between versions; functions and views are not."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "CREATE FUNCTION ledger.old_door_v1(a integer, b text) RETURNS integer LANGUAGE sql RETURN 1"
    )
    await connection.execute("CREATE FUNCTION ledger.post_credit_v1(a integer) RETURNS integer LANGUAGE sql RETURN 1")
    await connection.execute("CREATE VIEW ledger.old_view_v1 AS SELECT account_id FROM ledger.accounts")
    await connection.execute("UPDATE public.ringfence_installation SET fingerprint = 'of another version'")
    await migrate(database_url)
    left = await connection.fetchval(
        "SELECT count(*) FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace AND proname IN ('old_door_v1', 'post_credit_v1')"
    )
    views = await connection.fetchval("SELECT count(*) FROM pg_views WHERE viewname = 'old_view_v1'")
    await connection.close()
    assert (left, views) == (1, 0)
