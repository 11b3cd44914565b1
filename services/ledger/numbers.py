"""Numbers as they are: listed with their next fee, suspended and reinstated by hand (contract §4, Numbers)."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.ledger.context import LedgerContext
from shared.clock import rfc3339
from shared.http_errors import ApiError, not_found
from shared.money import usd_exact
from shared.postgres.pool import transaction
from shared.postgres.queries import Queries
from shared.rating.cost import NumberTerms, number_terms

_SQL = Queries.load(Path(__file__).parent / "queries" / "numbers.sql")


async def list_numbers(
    context: LedgerContext, *, account_id: str | None, status: str | None, limit: int, offset: int
) -> dict[str, Any]:
    """A page of numbers, of one account or of all, the newest rented first."""
    rows = await context.pool.fetch(_SQL.numbers, account_id, status, limit, offset)
    total = await context.pool.fetchval(_SQL.count_numbers, account_id, status)
    return {"data": await _shown(context, rows), "total": total, "limit": limit, "offset": offset}


async def owner_of(pool: asyncpg.Pool, number_id: str) -> str:
    """The account of a number that only one account has; raises 404, or 422 where several have it."""
    rows = await pool.fetch(_SQL.accounts_of_number, number_id)
    if not rows:
        raise not_found("number")
    if len(rows) > 1:
        raise ApiError(422, "account_required", "Several accounts have a number of this id: name the account_id.")
    account_id: str = rows[0]["account_id"]
    return account_id


async def suspend_number(
    context: LedgerContext, account_id: str, number_id: str, *, is_suspended: bool, now: datetime
) -> dict[str, Any]:
    """Suspend a number by hand, or lift that; returns the number. Raises 404."""
    async with transaction(context.pool) as connection:
        if not await connection.fetchval(_SQL.set_suspension, account_id, number_id, is_suspended, now):
            raise not_found("number")
        row = await connection.fetchrow(_SQL.number, account_id, number_id)
        assert row is not None
    context.host.announcer.tell([account_id])
    return (await _shown(context, [row]))[0]


async def _shown(context: LedgerContext, rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    await context.prices.learn({row["account_id"] for row in rows if row["prices_version"]})
    now = context.host.clock.now()
    return [_number_json(row, _terms(context, row, now)) for row in rows]


def _terms(context: LedgerContext, row: asyncpg.Record, now: datetime) -> NumberTerms | None:
    """The price of the next fee as it is known now; None where there is none, or none is due any more."""
    if row["status"] == "released":
        return None
    at = row["next_fee_at"] or now
    prices = context.prices.in_force(row["account_id"], row["prices_version"], at)
    terms = None if prices is None else number_terms(book=prices.book, number=row["number"], at=at)
    return terms if isinstance(terms, NumberTerms) else None


def _number_json(row: asyncpg.Record, terms: NumberTerms | None) -> dict[str, Any]:
    instants = {name: row[name] for name in ("rented_at", "released_at", "next_fee_at")}
    return {
        "number_id": row["shown_number_id"],
        "number": row["number"],
        "account_id": row["shown_account_id"],
        "status": row["status"],
        "reason": row["reason"],
        **{name: None if instant is None else rfc3339(instant) for name, instant in instants.items()},
        "fee_usd": None if terms is None else usd_exact(terms.fee_micros),
        "per": row["per"],
    }
