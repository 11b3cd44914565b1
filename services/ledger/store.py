"""The ledger's statements as functions: values in, rows out. Nothing is decided here."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.ledger.domain.posting import REVENUE, Accepted, Posting, Seen
from services.ledger.domain.usage import UsageFact
from shared.contracts.usage_v1 import CallEnded
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
        [fact.hold_kind for fact in facts],
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
    accepted = posting.accepted
    paid = [entry for entry in accepted if entry.charge is not None]
    places = {id(entry): place for place, entry in enumerate(paid, start=1)}
    transfer_ids = await connection.fetchval(
        QUERIES.post_usage,
        *_event_columns(accepted, places),
        *_transfer_columns(paid),
        *_settled_columns(accepted, places),
        now,
    )
    if posting.minutes:
        await consume_minutes(connection, posting, places, transfer_ids, now)


def _event_columns(accepted: Sequence[Accepted], places: dict[int, int]) -> list[list[Any]]:
    facts = [entry.fact for entry in accepted]
    return [
        [fact.account_id for fact in facts],
        [fact.source for fact in facts],
        [fact.event_id for fact in facts],
        [fact.type for fact in facts],
        [fact.ref_id for fact in facts],
        [fact.content_hash for fact in facts],
        [entry.state for entry in accepted],
        [fact.occurred_at for fact in facts],
        [fact.stated_at for fact in facts],
        [entry.book_version for entry in accepted],
        [entry.own_version for entry in accepted],
        [fact.data for fact in facts],
        [fact.is_accepted_twin for fact in facts],
        [places.get(id(entry)) for entry in accepted],
    ]


def _transfer_columns(paid: Sequence[Accepted]) -> list[list[Any]]:
    charges = [entry.charge for entry in paid if entry.charge is not None]
    numbers = [_own_number(entry.fact) for entry in paid]
    return [
        [entry.fact.account_id for entry in paid],
        ["debit"] * len(paid),
        [charge.reason for charge in charges],
        [-charge.amount_micros for charge in charges],
        [REVENUE] * len(paid),
        [charge.description for charge in charges],
        [charge.reference_type for charge in charges],
        [charge.reference_id for charge in charges],
        [number_id for number_id, _ in numbers],
        [value for _, value in numbers],
        [charge.metadata for charge in charges],
    ]


def _settled_columns(accepted: Sequence[Accepted], places: dict[int, int]) -> list[list[Any]]:
    """The holds to close (each once), then the accounts and ids that are settled."""
    settled = [entry for entry in accepted if entry.state != "waiting"]
    holds = {
        (entry.fact.account_id, entry.fact.hold_kind, entry.fact.ref_id): places.get(id(entry))
        for entry in settled
        if entry.fact.ref_id is not None
    }
    return [
        [account_id for account_id, _, _ in holds],
        [kind for _, kind, _ in holds],
        [ref_id for _, _, ref_id in holds],
        list(holds.values()),
        [entry.fact.account_id for entry in settled],
        [entry.fact.settled_id for entry in settled],
    ]


def _own_number(fact: UsageFact) -> tuple[str | None, str | None]:
    """The customer's own number in a call or message: its id, and its value where the id is told."""
    number_id = getattr(fact.usage, "number_id", None)
    if number_id is None:
        return None, None
    usage: Any = fact.usage
    outbound = usage.direction == "outbound" if isinstance(usage, CallEnded) else fact.type == "sms.sent"
    return number_id, usage.from_ if outbound else usage.to


async def consume_minutes(
    connection: Connection, posting: Posting, places: dict[int, int], transfer_ids: list[int], now: datetime
) -> None:
    """Take the minutes of a posting out of their pools."""
    used = posting.minutes
    await connection.execute(
        QUERIES.consume_minutes,
        [part.account_id for part in used],
        [part.pool for part in used],
        [part.amount_ms for part in used],
        "used",
        [transfer_ids[places[id(posting.accepted[part.place])] - 1] for part in used],
        now,
    )
