"""What an agency's pages show and what their forms mean, through the API (contract §7)."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from services.portal.asking import Answer, Visitor
from services.portal.client import plan_of
from services.portal.context import PortalContext
from services.portal.customer import Values
from services.portal.words import cents_of

LISTED_MAX: Final = 200
NEXT_STATUS: Final[Mapping[str, tuple[str, ...]]] = {
    "pending": ("paid", "overdue", "failed", "canceled"),
    "overdue": ("paid", "failed", "canceled"),
    "failed": ("paid", "failed", "canceled"),
}
"""Where an agency may take a payment request (contract §7)."""

Form = Mapping[str, Any]


async def clients(visitor: Visitor) -> Values:
    listed = await visitor.read("/v1/clients", limit=LISTED_MAX)
    return {"clients": listed["data"], "total": listed["total"]}


async def offers(visitor: Visitor) -> Values:
    """Plans and packs."""
    plans, packs = await asyncio.gather(
        visitor.read("/v1/plans", limit=LISTED_MAX), visitor.read("/v1/packs", limit=LISTED_MAX)
    )
    return {"plans": plans["data"], "packs": packs["data"]}


async def billing_tab(context: PortalContext, visitor: Visitor, client_id: str) -> Values:
    """A client's Billing tab."""
    client, plan, offered = await asyncio.gather(
        visitor.read(f"/v1/clients/{client_id}"), plan_of(context, visitor, client_id), offers(visitor)
    )
    return {
        **plan,
        "plans": offered["plans"],
        "offered_packs": offered["packs"],
        "assigned_packs": plan["packs"],
        "client": client,
        "next_status": NEXT_STATUS,
    }


async def save_plan(visitor: Visitor, form: Form, plan_id: str | None) -> Answer:
    """Make a plan, or change one; the form's fields are those of the API, amounts in the plan's currency."""
    fee = cents_of(text(form, "recurring_fee"))
    if text(form, "recurring_fee") and fee is None:
        return _no_number("recurring fee")
    numbers = {name: _whole(form, name) for name in ("included_minutes", "rhythm_count", "due_days", "grace_days")}
    missing = [name for name, value in numbers.items() if value is None]
    if missing:
        return _no_number(missing[0].replace("_", " "))
    chats = text(form, "chats_per_minute")
    if chats and _whole(form, "chats_per_minute") is None:
        return _no_number("chats per minute")
    body = {
        "name": text(form, "name"),
        "currency": text(form, "currency") or "USD",
        "recurring_fee_cents": fee,
        "minute_rate_usd": text(form, "minute_rate") or None,
        "rhythm": text(form, "rhythm"),
        "packs_allowed": text(form, "packs_allowed") == "on",
        "client_may_start": text(form, "client_may_start") == "on",
        "chats_per_minute": _whole(form, "chats_per_minute"),
        "status": "archived" if text(form, "archived") == "on" else "active",
        **numbers,
    }
    if plan_id is None:
        return await visitor.ask("POST", "/v1/plans", json=body)
    return await visitor.ask("PATCH", f"/v1/plans/{plan_id}", json=body)


async def save_pack(visitor: Visitor, form: Form, pack_id: str | None) -> Answer:
    minutes, price = _whole(form, "minutes"), cents_of(text(form, "price"))
    if minutes is None or price is None:
        return _no_number("minutes" if minutes is None else "price")
    body = {
        "name": text(form, "name"),
        "minutes": minutes,
        "price_cents": price,
        "currency": text(form, "currency") or "USD",
    }
    if pack_id is None:
        return await visitor.ask("POST", "/v1/packs", json=body)
    return await visitor.ask("PATCH", f"/v1/packs/{pack_id}", json=body)


async def change_client(visitor: Visitor, client_id: str, action: str, form: Form, pack_ids: list[str]) -> Answer:
    """One of the Billing tab's forms."""
    path = f"/v1/clients/{client_id}"
    match action:
        case "plan":
            plan_id = text(form, "plan_id")
            if not plan_id:
                return await visitor.ask("DELETE", f"{path}/plan")
            return await visitor.ask("PUT", f"{path}/plan", json={"plan_id": plan_id})
        case "packs":
            return await visitor.ask("PUT", f"{path}/packs", json={"pack_ids": pack_ids})
        case "start":
            return await visitor.ask("POST", f"{path}/subscription", once=text(form, "once"))
        case "cancel":
            return await visitor.ask("POST", f"{path}/subscription/cancel")
        case "apply":
            body = {"payment_status": text(form, "payment_status")}
            return await visitor.ask(
                "POST", f"{path}/packs/{text(form, 'pack_id')}/apply", json=body, once=text(form, "once")
            )
        case "disable" | "enable":
            return await visitor.ask("PATCH", path, json={"disabled": action == "disable"})
        case _:
            return Answer(404, {"error": {"code": "not_found", "message": "There is no such action."}})


async def set_request(visitor: Visitor, request_id: str, form: Form) -> Answer:
    body = {"status": text(form, "status")}
    if text(form, "external_reference"):
        body["external_reference"] = text(form, "external_reference")
    return await visitor.ask("PATCH", f"/v1/payment-requests/{request_id}", json=body)


def text(form: Form, name: str) -> str:
    """A field as it was typed, without the spaces around it."""
    return str(form.get(name, "")).strip()


def _whole(form: Form, name: str) -> int | None:
    typed = text(form, name)
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else None


def _no_number(what: str) -> Answer:
    message = f"Enter the {what} as a number."
    return Answer(422, {"error": {"code": "invalid_request", "message": message}})
