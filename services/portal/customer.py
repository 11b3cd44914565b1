"""What the customer's page shows, section by section, read through the API."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from services.portal.asking import Visitor
from services.portal.chart import DAYS, KINDS, spend_chart
from services.portal.context import PortalContext
from services.portal.store import QUERIES

Values = dict[str, Any]
Query = Mapping[str, str]

ROWS: Final = 25
DAYS_OF_WEEK: Final = 7
MINUTE_CENTS_IF_UNKNOWN: Final = 20
"""One minute of voice and telephony in the book a fresh deployment has, rounded up (contract §4)."""


async def wallet(context: PortalContext, visitor: Visitor, _: Query) -> Values:
    """Balance and runway; whether the account is suspended, and whether a plan pays for its calls."""
    billing, row, on_plan = await asyncio.gather(
        visitor.read("/v1/billing"),
        context.pool.fetchrow(QUERIES.present_status, visitor.account_id),
        has_plan(visitor),
    )
    assert row is not None, "accounts are never deleted"
    return {"billing": billing, "state": row["status"], "by_hand": row["is_suspended_by_hand"], "on_plan": on_plan}


async def has_plan(visitor: Visitor) -> bool:
    """Whether an agency has assigned one."""
    if visitor.session.parent_id is None:
        return False
    return await visitor.read_if_any(f"/v1/clients/{visitor.account_id}/plan") is not None


async def spend(context: PortalContext, visitor: Visitor, _: Query) -> Values:
    today = context.host.clock.now().astimezone(UTC).date()
    since = datetime.combine(today - timedelta(days=DAYS - 1), time(), UTC)
    rows = await context.pool.fetch(QUERIES.moved_by_day, visitor.account_id, since)
    return {
        "chart": spend_chart([(row["day"], row["reason"], row["micros"]) for row in rows], today=today),
        "kinds": KINDS,
    }


async def funds(context: PortalContext, visitor: Visitor, _: Query) -> Values:
    cards = await visitor.read("/v1/billing/payment-methods")
    settings = context.settings
    return {
        "cards": cards["payment_methods"],
        "minimum_cents": settings.topup_minimum_cents,
        "maximum_cents": settings.topup_maximum_cents,
        "card_script": settings.card_script,
        "card_key": settings.stripe_publishable_key or "",
    }


async def reload(_: PortalContext, visitor: Visitor, __: Query) -> Values:
    """Auto-reload, with what we would suggest and what a minute costs."""
    billing, pricing = await asyncio.gather(visitor.read("/v1/billing"), visitor.read_if_any("/v1/wallet/pricing"))
    return {
        "billing": billing,
        "suggested_cents": suggested_cents(billing["average_daily_spend_cents_7d"]),
        "minute_cents": minute_cents(pricing),
        "problem": None,
        "saved": False,
    }


def suggested_cents(daily_cents: int | None) -> int | None:
    """10 % of the weekly burn (contract §8), rounded up to the cent; None where nothing was spent."""
    return -(-daily_cents * DAYS_OF_WEEK // 10) if daily_cents else None


def minute_cents(pricing: Mapping[str, Any] | None) -> int:
    """What one minute of a call costs, all that is priced per minute but recording; rounded up to the cent."""
    items = {} if pricing is None else {item["item"]: item for item in reversed(pricing["items"])}
    wanted = [items[name]["price_usd"] for name in ("voice", "telephony") if items.get(name, {}).get("per") == "minute"]
    micros = sum(_micros(price) for price in wanted)
    return -(-micros // 10_000) or MINUTE_CENTS_IF_UNKNOWN


def _micros(price: str) -> int:
    whole, _, rest = price.partition(".")
    return int(whole) * 1_000_000 + int(rest.ljust(6, "0")[:6] or 0)


async def cards(_: PortalContext, visitor: Visitor, __: Query) -> Values:
    listed = await visitor.read("/v1/billing/payment-methods")
    return {"cards": listed["payment_methods"], "problem": None}


async def transactions(_: PortalContext, visitor: Visitor, query: Query) -> Values:
    """One page of the list, and one row more to know whether there is a next page."""
    offset = int(query["offset"]) if query.get("offset", "").isdecimal() and len(query["offset"]) < 8 else 0
    asked = {name: query.get(name) or None for name in ("kind", "start_date", "end_date")}
    answer = await visitor.ask("GET", "/v1/billing/transactions", query={**asked, "limit": ROWS + 1, "offset": offset})
    rows = answer.body if answer.is_good else []
    return {
        "rows": rows[:ROWS],
        "has_more": len(rows) > ROWS,
        "offset": offset,
        "step": ROWS,
        "asked": {name: value or "" for name, value in asked.items()},
        "problem": answer.problem,
    }


async def notice(_: PortalContext, visitor: Visitor, __: Query) -> Values:
    """The low-balance notice. Whoever's calls a plan pays for needs no money in the wallet to keep them going."""
    told, on_plan = await asyncio.gather(visitor.read("/v1/billing/notice"), has_plan(visitor))
    return {"notice": {**told, "show": told["show"] and not on_plan}}
