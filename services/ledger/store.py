"""The ledger's statements as functions: values in, rows out. Nothing is decided here."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import orjson

from services.ledger.domain.charges import Charge
from services.ledger.domain.plans import counted_at
from services.ledger.domain.posting import REVENUE, Accepted, Posting, Seen
from services.ledger.domain.usage import UsageFact
from services.ledger.plans import consume_minutes
from shared.contracts.usage_v1 import CallEnded, SmsTransferred
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
SEEN_COLUMNS = len(Seen._fields) - len(Seen._field_defaults)


async def open_usage(connection: Connection, facts: Sequence[UsageFact]) -> list[asyncpg.Record]:
    """Lock the accounts of these facts and read what the books say about each."""
    columns = (
        [fact.account_id for fact in facts],
        [fact.source for fact in facts],
        [fact.event_id for fact in facts],
        [fact.type for fact in facts],
        [fact.ref_id or "" for fact in facts],
    )
    rows: list[asyncpg.Record] = await connection.fetch(QUERIES.open_usage, *_as_texts(columns))
    return rows


def seen_of(row: asyncpg.Record) -> Seen:
    """A row of open_usage as the domain reads it."""
    return Seen(*row[:SEEN_COLUMNS])


async def post(connection: Connection, posting: Posting, now: datetime) -> None:
    """Write a posting: events, transfers, holds, balances, news and minutes."""
    told = [_told(entry) for entry in posting.accepted]
    columns = [*zip(*told, strict=True)]
    transfer_ids = await connection.fetchval(QUERIES.post_usage, *_as_texts(columns), REVENUE, now)
    if posting.minutes:
        await consume_minutes(connection, posting.minutes, transfer_ids, now)


async def note_integer_ids(connection: Connection, ids: Sequence[tuple[str, str]]) -> None:
    """These ids (account, id) came as JSON integers, and will be shown as such."""
    await connection.execute(QUERIES.note_integer_ids, *zip(*ids, strict=True))


def _as_texts(columns: Iterable[Sequence[str]]) -> list[str]:
    """Each column as one text, then what separates its values: a line feed, unless a caller's text holds one.

    The driver encodes an array value by value; that took longer than deciding what is in it.
    """
    columns = [*columns]
    separator = "\n"
    while True:
        texts = [separator.join(column) for column in columns]
        breaks = len(columns[0]) - 1
        if all(text.count(separator) == breaks for text in texts):
            return [*texts, separator]
        separator = uuid4().hex


def written(fact: UsageFact) -> tuple[str, ...]:
    """What is written of a fact whatever becomes of it: made while the group before is being posted."""
    number_id, number_value = _own_number(fact)
    return (
        fact.account_id,
        fact.source,
        fact.event_id,
        fact.type,
        fact.ref_id or "",
        "\\x" + fact.content_hash.hex(),
        fact.occurred_at.isoformat(),
        fact.stated_at.isoformat(),
        fact.data_json.decode(),
        number_id or "",
        number_value or "",
    )


def _told(entry: Accepted) -> tuple[str, ...]:
    """One event and what it costs as texts, in the order of ledger.post_usage_v1; empty is null."""
    fact, charge = entry.fact, entry.charge
    decided = (
        entry.state,
        "" if entry.book_version is None else str(entry.book_version),
        "" if entry.own_version is None else str(entry.own_version),
        "t" if fact.is_accepted_twin else "f",
        "" if entry.state == "waiting" else fact.settled_id or "",
        "t" if entry.hold_is_open else "f",
    )
    known = fact.written or written(fact)
    if entry.state == "waiting":
        # It waits for the period of this moment, and is written anew when it is taken up.
        known = (*known[:_OCCURRED_AT], counted_at(fact).isoformat(), *known[_OCCURRED_AT + 1 :])
    return known + decided + (_NOTHING_PAID if charge is None else _paid(charge))


_NOTHING_PAID = ("",) * 6
_OCCURRED_AT = 6


def _paid(charge: Charge) -> tuple[str, ...]:
    return (
        str(-charge.amount_micros),
        charge.reason,
        charge.description,
        charge.reference_type,
        charge.reference_id,
        orjson.dumps(charge.metadata).decode(),
    )


def _own_number(fact: UsageFact) -> tuple[str | None, str | None]:
    """The customer's own number in a call or message: its id, and its value where the id is told."""
    usage = fact.usage
    if isinstance(usage, CallEnded):
        outbound = usage.direction == "outbound"
    elif isinstance(usage, SmsTransferred):
        outbound = fact.type == "sms.sent"
    else:
        return None, None
    if usage.number_id is None:
        return None, None
    return usage.number_id, usage.from_ if outbound else usage.to
