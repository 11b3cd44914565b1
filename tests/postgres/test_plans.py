"""Plans that are kept must suit tables that have grown since: a lone question reads a few rows, never all of them."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.gatekeeper import store as gate
from services.gatekeeper.domain.asks import Ask
from services.ledger import store
from services.ledger.domain.posting import Judge
from services.ledger.domain.usage import UsageFact, read_usage
from services.ledger.prices import ensure_first_book
from services.payments.store import SQL
from shared.postgres.pool import open_pool
from shared.price_books import PriceBooks
from tests.holds import place_hold
from tests.usage import call_ended

MANY = 3_000
SMALL = 60
"""As many accounts as make the server look at them by itself."""

FEW = 20
NOW = datetime(2026, 3, 1, tzinfo=UTC)

ACCOUNTS = """
    INSERT INTO ledger.accounts (account_id, name, balance_micros, low_balance_micros, created_at)
    SELECT 'a' || n, 'A', 1000000000, 0, $3 FROM generate_series($1::integer, $2) AS n
    """


def grown(first: int, last: int) -> str:
    """Statements that make tables larger: by rows of account a1, and by rows of other accounts."""
    n = f"generate_series({first}, {last}) AS n"
    taken = 10_000 * last
    free = taken + last + 1
    return f"""
        INSERT INTO ledger.holds (account_id, kind, ref_id, hold_id, state, amount_micros, granted, is_final, request,
                                  created_at, expires_at, closed_at)
        SELECT account_id, 'call', ref_id, 'h', state, 0, 60, true, '{{}}', '{NOW}', '{NOW}', closed_at
        FROM {n},
             LATERAL (VALUES ('a1', 'old-' || n, 'released', timestamptz '{NOW}'), ('a' || n, 'open', 'open', NULL))
                 AS hold (account_id, ref_id, state, closed_at);
        INSERT INTO ledger.usage_events (account_id, source, event_id, type, ref_id, content_hash, state, occurred_at,
                                         stated_at, received_at, data)
        SELECT 'a1', 'sip', 'old-' || n, 'call.ended', 'old-' || n, '', 'free', '{NOW}', '{NOW}', '{NOW}', '{{}}'
        FROM {n};
        INSERT INTO ledger.transfers (account_id, seq, kind, reason, amount_micros, balance_after_micros, counter_account,
                                      description, reference_type, reference_id, metadata, created_at)
        SELECT 'a1', {taken} + n, 'debit', 'call', 0, 0, 'revenue', '', 'call', 'x', '{{}}', '{NOW}'
        FROM {n};
        INSERT INTO ledger.events (account_id, seq, id, type, data, created_at)
        SELECT 'a1', {taken} + n, 'e', 'balance_changed', '{{}}', '{NOW}'
        FROM {n};
        UPDATE ledger.accounts SET entry_count = {free}, announced_count = {free}, event_seq = {free}
        WHERE account_id = 'a1';
        INSERT INTO ledger.news (account_id, settled, created_at) SELECT 'a' || n, '{{}}', '{NOW}'
        FROM {n};
        INSERT INTO ledger.outbox (account_id, seq, leased_until) SELECT 'a' || n, 1, '{NOW}'
        FROM {n};
        INSERT INTO ledger.numbers (account_id, number_id, number) SELECT 'a1', n, n
        FROM {n};
        INSERT INTO ledger.integer_ids (account_id, id) SELECT 'a1', n
        FROM {n};
        INSERT INTO ledger.pools (account_id) SELECT 'a' || n
        FROM {n};
        """


class Lone:
    """One account's calls, one at a time, on one connection for each service that asks."""

    STEPS = ("check", "hold", "bill", "announce")

    def __init__(self, ledger: asyncpg.Pool, gatekeeper: asyncpg.Pool, prices: PriceBooks) -> None:
        self._ledger = ledger
        self._gatekeeper = gatekeeper
        self._prices = prices

    async def take(self, step: str, call_id: str) -> None:
        async with self._ledger.acquire() as ledger, self._gatekeeper.acquire() as gatekeeper:
            async with ledger.transaction(), gatekeeper.transaction():
                match step:
                    case "check":
                        ask = Ask("call", "check", "a1", call_id, number="+15550100")
                        await gate.open_checks(gatekeeper, [ask], NOW)
                    case "hold":
                        until = NOW + timedelta(minutes=3)
                        await place_hold(gatekeeper, "a1", call_id, amount_micros=1, expires_at=until, now=NOW)
                    case "bill":
                        await self._bill(ledger, call_id)
                    case _:
                        told = await ledger.fetch("SELECT * FROM ledger.announce_v1(ARRAY['a1'], $1, $1)", NOW)
                        await ledger.execute(
                            "SELECT ledger.published_v1(ARRAY['a1'], ARRAY[$1::bigint])", told[-1]["seq"]
                        )
            for connection in (ledger, gatekeeper):
                await connection.execute("SELECT pg_stat_force_next_flush()")

    async def _bill(self, connection: asyncpg.pool.PoolConnectionProxy, call_id: str) -> None:
        fact = read_usage(call_ended("a1", call_id, 60, ended_at=NOW), received_at=NOW)
        assert isinstance(fact, UsageFact)
        rows = await store.open_usage(connection, [fact])
        posting = Judge(self._prices.in_force).judge([fact], [store.seen_of(rows[0])])
        assert posting.accepted
        await store.post(connection, posting, NOW)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def planned(database_url: str, owner: asyncpg.Connection, looked_at: str) -> AsyncIterator[Lone]:
    """With all plans made while the tables were small."""
    await owner.execute(ACCOUNTS, 1, SMALL, NOW)
    if looked_at == "while small":
        await owner.execute(grown(2, SMALL))
    if looked_at != "never":
        await owner.execute("VACUUM ANALYZE")
    ledger = await open_pool(database_url, "ledger", size_max=1)
    gatekeeper = await open_pool(database_url, "gatekeeper", size_max=1)
    try:
        async with ledger.acquire() as connection:
            await ensure_first_book(connection, now=NOW)
        prices = PriceBooks(ledger)
        await prices.learn()
        lone = Lone(ledger, gatekeeper, prices)
        for step in Lone.STEPS:
            await lone.take(step, "first")
        yield lone
    finally:
        await ledger.close()
        await gatekeeper.close()


async def rows_read(connection: asyncpg.Connection) -> dict[str, int]:
    """Of each table, by everybody who has told."""
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    rows = await connection.fetch(
        "SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_user_tables"
    )
    return {row["relname"]: row["rows"] for row in rows}


@pytest.mark.parametrize(
    ("looked_at", "step"),
    [*itertools.product(("never", "while small"), Lone.STEPS), ("while empty", "check")],
)
async def test_what_was_planned_while_tables_were_small_reads_a_few_rows_of_large_ones(
    database_url: str, owner: asyncpg.Connection, looked_at: str, step: str
) -> None:
    """Design §4: a batch costs what its events cost, not what the books hold. `looked_at`: when the server's statistics
    were last made; they make the plans.
    """
    async with planned(database_url, owner, looked_at) as lone:
        await owner.execute(ACCOUNTS, SMALL + 1, MANY, NOW)
        await owner.execute(grown(SMALL + 1, MANY))
        for each in Lone.STEPS[: Lone.STEPS.index(step)]:
            await lone.take(each, "last")
        before = await rows_read(owner)
        await lone.take(step, "last")
        after = await rows_read(owner)
    assert {table: after[table] - before[table] for table in after if after[table] - before[table] > FEW} == {}


async def test_payments_looks_at_the_accounts_of_the_news_and_at_no_others(
    database_url: str, owner: asyncpg.Connection
) -> None:
    await owner.execute(ACCOUNTS, 1, MANY, NOW)
    await owner.execute("VACUUM ANALYZE ledger.accounts")
    pool = await open_pool(database_url, "payments", size_max=1)
    await pool.execute("SET plan_cache_mode = force_generic_plan")  # as the server chooses after a few calls
    before = await rows_read(owner)
    await pool.fetch(SQL.accounts_in_need, ["a1"], 0)
    await pool.execute("SELECT pg_stat_force_next_flush()")
    assert (await rows_read(owner))["accounts"] - before["accounts"] < FEW
    await pool.close()
