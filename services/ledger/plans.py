"""Minutes of plans in the books: which plan ran then, and taking minutes out of their pools."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from services.ledger.domain.plans import Plan, counted_at, needs_history
from services.ledger.domain.posting import MinutesUsed, Seen
from services.ledger.domain.usage import UsageFact
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

QUERIES: Final = Queries.load(Path(__file__).parent / "queries" / "plans.sql")


async def recall_plans(connection: Connection, facts: Sequence[UsageFact], seen: Sequence[Seen]) -> list[Seen]:
    """Add the plan that ran as the usage ended, wherever that may be another than the present one: for accounts that
    never had minutes nothing is read.
    """
    places = [place for place, fact in enumerate(facts) if needs_history(fact, seen[place])]
    known = list(seen)
    if places:
        asked = [facts[place] for place in places]
        for place, row in zip(places, await plans_then(connection, asked), strict=True):
            known[place] = seen[place]._replace(past=plan_of(row))
    return known


async def plans_then(connection: Connection, facts: Sequence[UsageFact]) -> list[asyncpg.Record]:
    """Per fact the plan that ran as it ended and what it has accrued late; nulls where none ran. The accounts are
    locked by the caller.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        QUERIES.plans_then, [fact.account_id for fact in facts], [counted_at(fact) for fact in facts]
    )
    return rows


def plan_of(row: Any) -> Plan | None:
    return None if row["subscription_id"] is None else Plan(row["subscription_id"], row["chat_ms"])


async def consume_minutes(
    connection: Connection,
    used: Sequence[MinutesUsed],
    transfer_ids: Sequence[int],
    now: datetime,
    *,
    reason: str = "used",
) -> None:
    """Take minutes out of their pools, or give them back (negative); `place` is an index into `transfer_ids`."""
    await connection.execute(
        QUERIES.consume_minutes,
        [part.account_id for part in used],
        [part.pool for part in used],
        [part.amount_ms for part in used],
        [part.subscription_id for part in used],
        reason,
        [transfer_ids[part.place] for part in used],
        now,
    )
