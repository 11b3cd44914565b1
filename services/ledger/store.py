"""The ledger's statements as functions: values in, rows out. Nothing is decided here."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.ledger.domain.posting import REVENUE, Accepted, Posting, Seen
from services.ledger.domain.usage import UsageFact
from shared.contracts.usage_v1 import CallEnded, SmsTransferred
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


async def open_usage(connection: Connection, facts: Sequence[UsageFact]) -> list[asyncpg.Record]:
    """Lock the accounts of these facts and read what the books say about each."""
    rows: list[asyncpg.Record] = await connection.fetch(
        QUERIES.open_usage,
        [fact.account_id for fact in facts],
        [fact.source for fact in facts],
        [fact.event_id for fact in facts],
        [fact.type for fact in facts],
        [fact.ref_id for fact in facts],
    )
    return rows


def seen_of(row: asyncpg.Record) -> Seen:
    """A row of open_usage as the domain reads it."""
    return Seen(
        is_known_account=row["is_known_account"],
        prices_version=row["prices_version"] or 0,
        known_hash=row["known_hash"],
        has_twin=row["has_twin"],
        hold_state=row["hold_state"],
        hold_amount_micros=row["hold_amount_micros"],
        subscription_id=row["subscription_id"],
        period_end=row["period_end"],
        chat_ms=row["chat_ms"],
        included_ms=row["included_ms"],
        wallet_ms=row["wallet_ms"],
    )


async def post(connection: Connection, posting: Posting, now: datetime) -> None:
    """Write a posting: events, transfers, holds, balances, news and minutes."""
    columns = zip(*map(_row, posting.accepted), strict=True)
    transfer_ids = await connection.fetchval(QUERIES.post_usage, *columns, REVENUE, now)
    if posting.minutes:
        await _consume_minutes(connection, posting, transfer_ids, now)


def _row(entry: Accepted) -> tuple[Any, ...]:
    """One event and what it costs, in the order of ledger.post_usage_v1."""
    fact = entry.fact
    told = (
        fact.account_id,
        fact.source,
        fact.event_id,
        fact.type,
        fact.ref_id,
        fact.content_hash,
        entry.state,
        fact.occurred_at,
        fact.stated_at,
        entry.book_version,
        entry.own_version,
        fact.data,
        fact.is_accepted_twin,
        None if entry.state == "waiting" else fact.settled_id,
    )
    charge = entry.charge
    if charge is None:
        return (*told, None, None, None, None, None, None, None, None)
    number_id, number_value = _own_number(fact)
    return (
        *told,
        -charge.amount_micros,
        charge.reason,
        charge.description,
        charge.reference_type,
        charge.reference_id,
        number_id,
        number_value,
        charge.metadata,
    )


def _own_number(fact: UsageFact) -> tuple[str | None, str | None]:
    """The customer's own number in a call or message: its id, and its value where the id is told."""
    usage = fact.usage
    if not isinstance(usage, CallEnded | SmsTransferred) or usage.number_id is None:
        return None, None
    outbound = usage.direction == "outbound" if isinstance(usage, CallEnded) else fact.type == "sms.sent"
    return usage.number_id, usage.from_ if outbound else usage.to


async def _consume_minutes(
    connection: Connection, posting: Posting, transfer_ids: Sequence[int], now: datetime
) -> None:
    """Take the minutes of a posting out of their pools."""
    used = posting.minutes
    await connection.execute(
        QUERIES.consume_minutes,
        [part.account_id for part in used],
        [part.pool for part in used],
        [part.amount_ms for part in used],
        "used",
        [transfer_ids[part.place] for part in used],
        now,
    )
