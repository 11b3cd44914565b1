"""The wallet in Call2Me's words [C]: balance, prices in force, what was spent (contract §6)."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg

from services.ledger.context import LedgerContext
from services.ledger.domain.analytics import Moved, analytics
from services.ledger.prices import read_account_prices, read_published
from shared.http_errors import not_found
from shared.money import micros_of_price, usd_number
from shared.postgres.queries import Queries

PLAIN_KEYS: Final = frozenset({"item", "price_usd", "per", "increment_seconds"})
_SQL = Queries.load(Path(__file__).parent / "queries" / "wallet.sql")


async def balance(pool: asyncpg.Pool, account_id: str) -> dict[str, Any]:
    """Dollars as numbers, to the micro, as refusals have them (contract §0, Money). Raises 404."""
    state = await pool.fetchrow(_SQL.balance, account_id)
    if state is None:
        raise not_found("account")
    balance_micros, held_micros = state["balance_micros"], state["held_micros"]
    return {
        "balance_usd": usd_number(balance_micros),
        "held_usd": usd_number(held_micros),
        "available_usd": usd_number(balance_micros + state["credit_limit_micros"] - held_micros),
        "currency": "USD",
    }


async def pricing(context: LedgerContext, account_id: str) -> dict[str, Any]:
    """What the account pays now: its own prices before the book's. `rates` are those without conditions."""
    now = context.host.clock.now()
    async with context.pool.acquire() as connection:
        book = await read_published(connection, None, now=now)
        own = await read_account_prices(connection, account_id, None, now=now)
    assert book is not None
    assert own is not None
    items = [*own["items"], *book["items"]]
    return {
        "currency": "USD",
        "rates": {f"{item['item']}_usd": _number(item) for item in reversed(items) if item.keys() <= PLAIN_KEYS},
        "items": items,
        "zones": sorted(book["zones"]),
        "effective_at": max(book["effective_at"], own["effective_at"] or ""),
    }


async def spending(context: LedgerContext, account_id: str, *, days: int) -> dict[str, Any]:
    """The last so many UTC days, today included."""
    today = context.host.clock.now().astimezone(UTC).date()
    start = datetime.combine(today - timedelta(days=days - 1), time(), UTC)
    rows = await context.pool.fetch(_SQL.moved_by_day, account_id, start)
    return analytics([Moved(**dict(row)) for row in rows], today=today, days=days)


def _number(item: dict[str, Any]) -> float:
    return usd_number(micros_of_price(item["price_usd"]))
