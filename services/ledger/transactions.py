"""An account's transactions: a page of them as JSON, or all of them as CSV."""

import csv
import io
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson

from services.ledger.domain.statement import thunderphone_kind
from shared.money import six_decimals
from shared.postgres.queries import Queries

ROWS_PER_QUERY: Final = 1_000
CSV_COLUMNS: Final = (
    "id",
    "created_at",
    "kind",
    "reason",
    "description",
    "amount_usd",
    "balance_after_usd",
    "amount_cents",
    "amount_micros",
    "balance_after_micros",
    "call_id",
    "phone_number_id",
    "phone_number_value",
    "reference_type",
    "reference_id",
    "has_receipt",
    "metadata",
)
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_SQL = Queries.load(Path(__file__).parent / "queries" / "transactions.sql")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transactions: `reasons` None means all; start inclusive, end exclusive; kinds in whose words."""

    account_id: str
    reasons: tuple[str, ...] | None = None
    start: datetime | None = None
    end: datetime | None = None
    in_thunderphone_words: bool = False


async def list_transactions(pool: asyncpg.Pool, wanted: Wanted, *, limit: int, offset: int) -> list[dict[str, Any]]:
    """A page, newest first."""
    rows = await _rows(pool, wanted, before=None, limit=limit, offset=offset)
    return [_shown(row, wanted) for row in rows]


async def csv_lines(pool: asyncpg.Pool, wanted: Wanted, *, limit: int | None, offset: int) -> AsyncIterator[bytes]:
    """The same as CSV in pieces, newest first: all of them without a limit, so that the amounts add up."""
    yield _csv([CSV_COLUMNS])
    before: int | None = None
    left = limit
    while left is None or left > 0:
        size = ROWS_PER_QUERY if left is None else min(left, ROWS_PER_QUERY)
        rows = await _rows(pool, wanted, before=before, limit=size, offset=offset)
        if rows:
            yield _csv([_csv_row(_shown(row, wanted)) for row in rows])
        if len(rows) < size:
            return
        before, offset = rows[-1]["seq"], 0
        left = None if left is None else left - size


async def _rows(
    pool: asyncpg.Pool, wanted: Wanted, *, before: int | None, limit: int, offset: int
) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await pool.fetch(
        _SQL.transactions, wanted.account_id, wanted.reasons, wanted.start, wanted.end, before, limit, offset
    )
    return rows


def _shown(row: asyncpg.Record, wanted: Wanted) -> dict[str, Any]:
    transaction: dict[str, Any] = row["transaction"]
    if wanted.in_thunderphone_words:
        transaction["kind"] = thunderphone_kind(transaction["reason"])
    return transaction


def _csv(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _csv_row(transaction: Mapping[str, Any]) -> list[Any]:
    cells = {
        **transaction,
        "amount_usd": six_decimals(transaction["amount_micros"]),
        "balance_after_usd": six_decimals(transaction["balance_after_micros"]),
        "reference_type": transaction["reference"]["type"],
        "reference_id": transaction["reference"]["id"],
        "has_receipt": "true" if transaction["has_receipt"] else "false",
        "metadata": orjson.dumps(transaction["metadata"]).decode(),
    }
    return [_harmless(cells[column]) for column in CSV_COLUMNS]


def _harmless(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula is marked as text; a plain number is left alone."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
