"""Usage that waits in the books for its period to open, or, once it is taken up, for a price."""

from datetime import datetime

import asyncpg

from services.ledger.context import LedgerContext
from services.ledger.domain.usage import UsageFact, stored_usage
from services.ledger.handlers import EVENTS_PER_COMMIT_MAX, post_within
from services.ledger.plans import QUERIES
from shared.postgres.pool import Connection, transaction


async def take_up_waiting_usage(context: LedgerContext) -> None:
    """Post usage that waited for its period to open (a client's plan renewed a moment after the usage ended), or
    whose plan has stopped meanwhile. What can't be posted (it is money's by now, and has no price) goes on waiting:
    nothing is lost, and the audit counts it.
    """
    while await _take_up_some(context):
        pass


async def _take_up_some(context: LedgerContext) -> bool:
    """Whether there may be more to take up."""
    now = context.host.clock.now()
    async with transaction(context.pool) as connection:
        rows = await connection.fetch(QUERIES.take_up_waiting_usage, EVENTS_PER_COMMIT_MAX)
        facts = [_fact(row) for row in rows]
        results = await post_within(context, connection, facts, now) if facts else []
        left = [row for row, result in zip(rows, results, strict=True) if result is not None]
        for row in left:
            await _put_back(connection, row, now)
    if facts:
        context.host.announcer.tell({fact.account_id for fact in facts})
    return len(rows) == EVENTS_PER_COMMIT_MAX and not left


def _fact(row: asyncpg.Record) -> UsageFact:
    fact = stored_usage(**{name: row[name] for name in ("source", "event_id", "type", "data", "stated_at")})
    fact.is_accepted_twin = row["is_accepted_twin"]
    return fact


async def _put_back(connection: Connection, row: asyncpg.Record, now: datetime) -> None:
    """At the end of the queue."""
    await connection.execute(
        QUERIES.put_back_waiting_usage,
        *(row[name] for name in ("account_id", "source", "event_id", "type", "ref_id", "content_hash", "occurred_at")),
        row["stated_at"],
        now,
        row["data"],
        row["is_accepted_twin"],
    )
