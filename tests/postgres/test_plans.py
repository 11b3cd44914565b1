"""Plans that are kept must suit tables that have grown since: a lone question reads a few rows, never all of them."""

from datetime import UTC, datetime

import asyncpg

from services.payments.store import SQL
from shared.postgres.pool import open_pool

MANY = 3_000
FEW = 20
NOW = datetime(2026, 3, 1, tzinfo=UTC)

ACCOUNTS = """
    INSERT INTO ledger.accounts (account_id, name, low_balance_micros, created_at)
    SELECT 'a' || n, 'A', 0, $2 FROM generate_series(1, $1) AS n
    """
HOLDS = """
    INSERT INTO ledger.holds (account_id, kind, ref_id, hold_id, state, amount_micros, pool_ms, granted, is_final,
                              rate_usd, request, created_at, expires_at, closed_at)
    SELECT account_id, 'call', 'c', 'h', 'released', 0, 0, 60, true, '0.01', '{}', $1, $1, $1 FROM ledger.accounts
    """
CHECK = "SELECT FROM ledger.open_checks_v1(ARRAY['a1'], ARRAY['call'], ARRAY['x'], ARRAY[''], ARRAY[''], false, $1)"


async def rows_read(connection: asyncpg.Connection, table: str) -> int:
    """Of this table, by everybody who has told."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    return int(
        await connection.fetchval(
            "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relid = $1::regclass",
            table,
        )
    )


async def test_a_gate_that_planned_while_there_were_no_holds_does_not_read_all_of_them(database_url: str) -> None:
    owner, gate = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    await owner.execute(ACCOUNTS, MANY, NOW)
    await owner.execute("VACUUM ANALYZE")  # to read all of an empty table costs nothing
    await gate.execute(CHECK, NOW)
    await owner.execute(HOLDS, NOW)
    before = await rows_read(owner, "ledger.holds")
    await gate.execute(CHECK, NOW)
    await gate.execute("SELECT pg_stat_force_next_flush()")
    assert await rows_read(owner, "ledger.holds") - before < FEW
    await owner.close()
    await gate.close()


async def test_payments_looks_at_the_accounts_of_the_news_and_at_no_others(database_url: str) -> None:
    owner = await asyncpg.connect(database_url)
    await owner.execute(ACCOUNTS, MANY, NOW)
    await owner.execute("VACUUM ANALYZE ledger.accounts")
    pool = await open_pool(database_url, "payments", size_max=1)
    await pool.execute("SET plan_cache_mode = force_generic_plan")  # as the server chooses after a few calls
    before = await rows_read(owner, "ledger.accounts")
    await pool.fetch(SQL.accounts_in_need, ["a1"], 0)
    await pool.execute("SELECT pg_stat_force_next_flush()")
    assert await rows_read(owner, "ledger.accounts") - before < FEW
    await pool.close()
    await owner.close()
