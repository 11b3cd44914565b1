"""The gate's statements as functions: values in, rows out. Nothing is decided here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.domain.outcomes import Refused
from services.gatekeeper.domain.state import Account, Hold
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries
from shared.postgres.reading import Reading

QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

Key = tuple[str, str, str]
"""Account, kind, and the id the caller chose: what a hold is known by."""

BILLED_BY = {"call": ["call.ended"], "sms": ["sms.sent", "sms.received"], "chat": ["chat.message"], "campaign": []}


async def open_checks(
    connection: Connection, asks: Sequence[Ask], now: datetime, *, skips_locked: bool = False
) -> list[asyncpg.Record]:
    """Lock the accounts of these asks and read what the books say about each.

    Raises LockNotAvailableError when somebody else has one for too long; `skips_locked` leaves such accounts out.
    """
    rows: list[asyncpg.Record] = await connection.fetch(
        QUERIES.open_checks,
        "\n".join([ask.account_id for ask in asks]),
        "\n".join([ask.kind for ask in asks]),
        "\n".join([ask.ref_id for ask in asks]),
        "\n".join([ask.number_id or "" for ask in asks]),
        "\n".join([ask.number or "" for ask in asks]),
        skips_locked,
        now,
    )
    return rows


def account_of(row: asyncpg.Record) -> Account | None:
    """The first columns of open_checks_v1 are the account's, in the order of its fields."""
    return None if row[0] is None else Account(*row[0:18])


def hold_of(row: asyncpg.Record) -> Hold | None:
    """The columns named hold_… are the hold's, in the order of its fields."""
    return None if row[18] is None else Hold(*row[18:29])


async def write_holds(connection: Connection, written: Mapping[Key, Hold], now: datetime) -> None:
    """Write the last state of each hold that a batch touched. No text among them holds a line feed: ids can't, and
    JSON escapes it."""
    holds = list(written.values())
    await connection.execute(
        QUERIES.write_holds,
        "\n".join([account_id for account_id, _, _ in written]),
        "\n".join([kind for _, kind, _ in written]),
        "\n".join([ref_id for _, _, ref_id in written]),
        "\n".join([hold.hold_id for hold in holds]),
        "\n".join([hold.state for hold in holds]),
        "\n".join([str(hold.amount_micros) for hold in holds]),
        "\n".join([str(hold.pool_ms) for hold in holds]),
        "\n".join([str(hold.granted) for hold in holds]),
        "\n".join(["t" if hold.is_final else "f" for hold in holds]),
        "\n".join([hold.rate_usd or "" for hold in holds]),
        "\n".join([_written(hold.request) for hold in holds]),
        [None if hold.created_at is now else hold.created_at for hold in holds],
        "\n".join([str(hold.lasts_seconds) for hold in holds]),
        now,
    )


def _written(request: dict[str, Any] | str | None) -> str:
    """The JSON text; empty for a tombstone, which has none."""
    if isinstance(request, str):
        return request
    return "" if request is None else orjson.dumps(request).decode()


async def write_rejections(connection: Connection, refused: Sequence[tuple[Ask, Refused]], now: datetime) -> None:
    """Remember what was refused, so that a read of the check can say so."""
    await connection.execute(
        QUERIES.write_rejections,
        [ask.account_id for ask, _ in refused],
        [ask.kind for ask, _ in refused],
        [ask.ref_id for ask, _ in refused],
        [ask.action for ask, _ in refused],
        [outcome.refusal.code for _, outcome in refused],
        [outcome.required_micros for _, outcome in refused],
        [outcome.available_micros for _, outcome in refused],
        now,
    )


async def append_events(
    connection: Connection, events: Sequence[tuple[str, str, dict[str, Any]]], now: datetime
) -> None:
    """(account_id, type, data) to the books' outbox."""
    await connection.execute(
        QUERIES.append_events,
        [account_id for account_id, _, _ in events],
        [kind for _, kind, _ in events],
        [data for _, _, data in events],
        now,
    )


async def note_integer_ids(connection: Connection, ids: Sequence[tuple[str, str]]) -> None:
    """These ids (account, id) came as JSON integers, and will be shown as such."""
    await connection.execute(QUERIES.note_integer_ids, *zip(*ids, strict=True))


async def free_expired_holds(connection: Connection, account_ids: Iterable[str], now: datetime) -> list[str]:
    """Give back what holds past their time still keep; returns the accounts that got something."""
    rows = await connection.fetch(QUERIES.free_expired_holds, sorted(set(account_ids)), now)
    return [row[0] for row in rows]


async def knows_account(reads: Reading, account_id: str) -> bool:
    return bool(await reads.fetchval(QUERIES.knows_account, account_id))


async def find_check(
    reads: Reading, account_id: str, kind: str, ref_id: str
) -> tuple[asyncpg.Record | None, asyncpg.Record | None, str | None]:
    """The hold, the bill without one, and the last refusal of this check."""
    hold = await reads.fetchrow(QUERIES.find_hold, account_id, kind, ref_id)
    billed = await reads.fetchrow(QUERIES.find_billed, account_id, ref_id, BILLED_BY[kind])
    code: str | None = await reads.fetchval(QUERIES.find_rejection, account_id, kind, ref_id)
    return hold, billed, code


async def list_holds(
    reads: Reading, account_id: str, state: str | None, now: datetime, *, limit: int, offset: int
) -> tuple[list[asyncpg.Record], int]:
    """A page of an account's holds, newest first, and how many there are."""
    rows = await reads.fetch(QUERIES.list_holds, account_id, state, now, limit, offset)
    return rows, await reads.fetchval(QUERIES.count_holds, account_id, state, now)


async def forget_rejections(pool: asyncpg.Pool, before: datetime) -> None:
    await pool.execute(QUERIES.forget_rejections, before)
