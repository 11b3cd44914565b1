"""Many subscriptions at once: made set by set, and what must be true of them afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.subscriptions.domain.lifecycle import next_moment, start
from services.subscriptions.rows import terms_json
from services.subscriptions.stories import QUERIES, save_stories
from shared.ids import new_id
from shared.postgres.pool import open_pool, transaction
from tests.domain.subscriptions.plans import terms

CHUNK = 500

ACCOUNTS = """
    INSERT INTO ledger.accounts (account_id, parent_id, is_agency, name, low_balance_micros, created_at)
    VALUES ('agency', NULL, true, 'Agency', 0, $2);
    """
CLIENTS = """
    INSERT INTO ledger.accounts (account_id, parent_id, name, low_balance_micros, created_at)
    SELECT unnest($1::text[]), 'agency', 'Client', 0, $2
    """
PLAN = """
    INSERT INTO subscriptions.plans VALUES (
        'plan_1', 'agency', 'Voice 100', 'active', 'USD', 4900, '0.10', 100, 'monthly', 1, 7, 3, true, true, NULL, $1)
    """
KNOWN = "INSERT INTO subscriptions.clients SELECT unnest($1::text[]), 'agency', 'plan_1'"
USED = """
    UPDATE ledger.pools SET billable_ms = 90000, included_ms = 0, included_granted_ms = 6000000,
                            entry_count = entry_count + 2
    """
USED_ENTRIES = """
    INSERT INTO ledger.pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, created_at)
    SELECT account_id, entry_count + place, pool, ms, after_ms, 'used', $1 FROM ledger.pools,
           (VALUES (1, 'included', -6000000, 0), (2, 'billable', 90000, 90000)) AS used (place, pool, ms, after_ms)
    """


async def make_subscriptions(database_url: str, count: int, *, started_at: datetime, **changes: Any) -> list[str]:
    """So many clients with a subscription each, all started in the same instant; 90 s of each are billable."""
    accounts = [f"client-{number:05d}" for number in range(count)]
    async with administrator(database_url) as admin:
        await admin.execute(ACCOUNTS.replace("$2", f"'{started_at.isoformat()}'"))
        await admin.execute(CLIENTS, accounts, started_at)
        await admin.execute(PLAN, started_at)
        await admin.execute(KNOWN, accounts)
    pool = await open_pool(database_url, "subscriptions")
    try:
        for first in range(0, count, CHUNK):
            await _start(pool, accounts[first : first + CHUNK], started_at, changes)
    finally:
        await pool.close()
    async with administrator(database_url) as admin:
        await admin.execute(USED_ENTRIES, started_at)
        await admin.execute(USED)
        await admin.execute("UPDATE ledger.events SET created_at = created_at; DELETE FROM ledger.outbox")
        await admin.execute("DELETE FROM ledger.news")
    return accounts


async def _start(pool: asyncpg.Pool, accounts: list[str], started_at: datetime, changes: dict[str, Any]) -> None:
    stories = [
        start(
            subscription_id=f"sub_{account}",
            account_id=account,
            terms=terms(**{"due_days": 60, **changes}),
            now=started_at,
            make_id=new_id,
        )
        for account in accounts
    ]
    async with transaction(pool) as connection:
        await connection.executemany(
            QUERIES.insert_subscription,
            [
                (
                    story.subscription.id,
                    story.subscription.account_id,
                    story.subscription.terms.plan_id,
                    str(story.subscription.status),
                    terms_json(story.subscription.terms),
                    started_at,
                    1,
                    story.subscription.period.start,
                    story.subscription.period.end,
                    story.subscription.period.end_index,
                    (next_moment(story) or (started_at,))[0],
                )
                for story in stories
            ],
        )
        await save_stories(connection, stories, started_at)


@asynccontextmanager
async def administrator(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The database's owner: sees every schema."""
    connection = await asyncpg.connect(database_url)
    try:
        yield connection
    finally:
        await connection.close()


async def move_clock(database_url: str, by: timedelta) -> None:
    """Every service started or running afterwards lives so much later."""
    async with administrator(database_url) as admin:
        await admin.execute("UPDATE ledger.clock_offset SET microseconds = $1", by // timedelta(microseconds=1))


async def renewed(database_url: str) -> int:
    async with administrator(database_url) as admin:
        count: int = await admin.fetchval("SELECT count(*) FROM subscriptions.periods WHERE number = 2")
        return count


async def findings(database_url: str) -> dict[str, Any]:
    """What must be empty or equal after one renewal of each, whatever happened meanwhile."""
    async with administrator(database_url) as admin:
        row = await admin.fetchrow(FINDINGS)
        assert row is not None
        return dict(row)


FINDINGS = """
    SELECT
        (SELECT count(*) FROM subscriptions.subscriptions WHERE period_number = 2) AS in_their_second_period,
        (SELECT count(*) FROM subscriptions.periods WHERE number = 1 AND closed_at = period_end
            AND billable_ms = 90000) AS first_periods_closed,
        (SELECT count(*) FROM subscriptions.periods WHERE number > 2) AS too_many_periods,
        (SELECT count(*) FROM subscriptions.payment_requests WHERE kind = 'usage' AND amount_cents = 15) AS usage_requests,
        (SELECT count(*) FROM subscriptions.payment_requests WHERE kind = 'recurring') AS recurring_requests,
        (SELECT count(*) FROM (SELECT FROM subscriptions.payment_requests
            GROUP BY subscription_id, period_number, kind HAVING count(*) > 1) AS twice) AS requests_made_twice,
        (SELECT count(*) FROM ledger.pools WHERE included_ms = 6000000 AND billable_ms = 0) AS pools_reset,
        (SELECT count(*) FROM ledger.events WHERE type = 'subscription_renewed') AS renewals_told,
        (SELECT count(*) FROM ledger.pools JOIN (
            SELECT account_id, sum(amount_ms) FILTER (WHERE pool = 'included') AS included,
                   sum(amount_ms) FILTER (WHERE pool = 'billable') AS billable, count(*) AS entries
            FROM ledger.pool_transfers GROUP BY account_id) AS summed USING (account_id)
         WHERE included_ms <> included OR billable_ms <> billable OR entry_count <> entries) AS pools_out_of_balance
    """


def all_renewed_once(count: int) -> dict[str, Any]:
    return {
        "in_their_second_period": count,
        "first_periods_closed": count,
        "too_many_periods": 0,
        "usage_requests": count,
        "recurring_requests": 2 * count,
        "requests_made_twice": 0,
        "pools_reset": count,
        "renewals_told": count,
        "pools_out_of_balance": 0,
    }
