"""Price books and accounts' own prices: published in versions, never changed (contract §4).

Decisions where the contract is silent:
- What is published without `effective_at` is in force from the millisecond it came in: usage is told in
  milliseconds, so nothing that happens afterwards can lie before it.
- An account's own prices may name the zones of the newest book.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from shared.clock import rfc3339
from shared.contracts.fields_v1 import instant
from shared.http_errors import invalid_request
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries
from shared.rating.book import Book, BookRefused, Overrides, book_json, read_book, read_overrides
from shared.rating.default_book import DEFAULT_BOOK

FIRST_BOOK_EFFECTIVE = datetime(2000, 1, 1, tzinfo=UTC)
"""Usage can't be older (shared.contracts.fields_v1), so there is always a book."""

_T = TypeVar("_T", Book, Overrides)
_SQL = Queries.load(Path(__file__).parent / "queries" / "prices.sql")


async def ensure_first_book(connection: Connection, *, now: datetime) -> None:
    """Publish the default book as version 1 of a fresh deployment."""
    book = read_book(DEFAULT_BOOK)
    assert isinstance(book, Book)
    await connection.execute(_SQL.publish_first_book, FIRST_BOOK_EFFECTIVE, book_json(book), now)


async def checked_book(raw: object, *, now: datetime) -> Book:
    """A book that may be published; raises 422 with its faults. A large one takes a second: not on the loop."""
    return _accepted(await asyncio.to_thread(read_book, raw, not_before=now))


async def publish_book(connection: Connection, book: Book, *, now: datetime) -> dict[str, Any]:
    """Publish as the next version; returns it as `GET /v1/prices` shows it."""
    await connection.execute(_SQL.lock_price_books)
    published = book_json(book)
    published.pop("effective_at", None)
    row = await connection.fetchrow(_SQL.publish_book, book.effective_at or _millisecond(now), published, now)
    assert row is not None
    return _book_shown(row)


async def read_published(connection: Connection, version: int | None, *, now: datetime) -> dict[str, Any] | None:
    """The book of that version, or the one in force; None when there is no such version."""
    if version is None:
        row = await connection.fetchrow(_SQL.book_in_force, now)
    else:
        row = await connection.fetchrow(_SQL.book_of_version, version)
    return None if row is None else _book_shown(row)


async def publish_account_prices(
    connection: Connection, account_id: str, raw: dict[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Publish the account's own prices {items, effective_at?} as its next version; raises 422 with the faults."""
    raw = dict(raw)
    effective_at = _effective_at(raw.pop("effective_at", None), now)
    zones = await connection.fetchval(_SQL.zones_of_newest_book)
    overrides = _accepted(await asyncio.to_thread(read_overrides, raw, zones))
    version = 1 + await connection.fetchval(_SQL.prices_version_of_locked, account_id)
    row = await connection.fetchrow(
        _SQL.publish_account_prices, account_id, version, effective_at, book_json(overrides)["items"], now
    )
    await connection.execute(_SQL.set_prices_version, account_id, version)
    assert row is not None
    return _account_prices_shown(row)


async def read_account_prices(
    connection: Connection, account_id: str, version: int | None, *, now: datetime
) -> dict[str, Any] | None:
    """The account's own prices of that version, or those in force (version 0, nothing: it has none)."""
    if version is not None:
        row = await connection.fetchrow(_SQL.account_prices_of_version, account_id, version)
        return None if row is None else _account_prices_shown(row)
    row = await connection.fetchrow(_SQL.account_prices_in_force, account_id, now)
    if row is None:
        return {"account_id": account_id, "version": 0, "effective_at": None, "items": [], "created_at": None}
    return _account_prices_shown(row)


def _effective_at(value: object, now: datetime) -> datetime:
    if value is None:
        return _millisecond(now)
    try:
        effective_at = instant(value)
    except ValueError as error:
        raise invalid_request([("effective_at", str(error))]) from None
    if effective_at < now:
        raise invalid_request([("effective_at", "is in the past")])
    return effective_at


def _accepted(read: _T | BookRefused) -> _T:
    if isinstance(read, BookRefused):
        raise invalid_request(read.fields)
    return read


def _millisecond(now: datetime) -> datetime:
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _book_shown(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "version": row["version"],
        "effective_at": rfc3339(row["effective_at"]),
        "created_at": rfc3339(row["created_at"]),
        **row["book"],
    }


def _account_prices_shown(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "account_id": row["account_id"],
        "version": row["version"],
        "effective_at": rfc3339(row["effective_at"]),
        "created_at": rfc3339(row["created_at"]),
        "items": row["items"],
    }
