"""Every service is its own PostgreSQL role; into another's schema it gets through doors only."""

import asyncpg
import pytest

from shared.postgres.migrations import ORDER, migrate
from shared.postgres.pool import open_pool, role_prefix

SERVICES_WITH_DATA = tuple(name for name in ORDER if name != "portal")
STATEMENTS = {"SELECT": "SELECT * FROM {}", "DELETE": "DELETE FROM {}"}


async def tables(connection: asyncpg.Connection) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2", list(ORDER)
    )
    return [(row["schemaname"], row["tablename"]) for row in rows]


@pytest.mark.parametrize("service", SERVICES_WITH_DATA)
async def test_a_service_is_refused_every_table_of_the_others(database_url: str, service: str) -> None:
    """«Crossing the line fails with *permission denied*» (design §2)."""
    pool = await open_pool(database_url, service)
    async with pool.acquire() as connection:
        foreign = [(schema, table) for schema, table in await tables(connection) if schema != service]
        assert foreign
        for schema, table in foreign:
            for statement in STATEMENTS.values():
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement.format(f"{schema}.{table}"))
    await pool.close()


async def test_nobody_but_the_ledger_can_move_money_directly(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    prefix = await role_prefix(connection)
    for service in ("gatekeeper", "payments", "subscriptions", "scheduler", "portal"):
        for function in ("post_transfers_v1", "post_usage_v1"):
            allowed = await connection.fetchval(
                "SELECT bool_or(has_function_privilege($1, oid, 'EXECUTE')) FROM pg_proc"
                " WHERE proname = $2 AND pronamespace = 'ledger'::regnamespace",
                f"{prefix}_{service}",
                function,
            )
            assert allowed is False, (service, function)
    await connection.close()


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
