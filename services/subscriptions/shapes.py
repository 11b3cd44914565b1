"""Plans, subscriptions and payment requests as the outside reads them (contract §7)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from services.subscriptions.domain.lifecycle import Fact, Subscription
from services.subscriptions.domain.payment_requests import ONE, LineItem, PaymentRequest
from services.subscriptions.domain.terms import Terms, usage_cents
from services.subscriptions.rows import Row
from shared.clock import rfc3339
from shared.money import usd_exact


def instant(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)


def page(rows: Sequence[dict[str, Any]], total: int, limit: int, offset: int) -> dict[str, Any]:
    return {"data": list(rows), "total": total, "limit": limit, "offset": offset}


def terms_of_json(terms: Terms) -> dict[str, Any]:
    """A plan as it stood when a subscription started."""
    return {
        "id": terms.plan_id,
        "name": terms.name,
        "currency": terms.currency,
        "recurring_fee_cents": terms.recurring_fee_cents,
        "minute_rate_usd": terms.minute_rate_usd,
        "included_minutes": terms.included_minutes,
        "rhythm": terms.rhythm.unit,
        "rhythm_count": terms.rhythm.count,
        "timezone": terms.rhythm.timezone,
        "due_days": terms.due_days,
        "grace_days": terms.grace_days,
        "packs_allowed": terms.packs_allowed,
        "client_may_start": terms.client_may_start,
        "chats_per_minute": terms.chats_per_minute,
    }


def plan_json(plan: Row) -> dict[str, Any]:
    fields = {name: value for name, value in plan.items() if name not in ("plan_id", "agency_id", "created_at")}
    return {"id": plan["plan_id"], **fields, "created_at": rfc3339(plan["created_at"])}


def pack_json(pack: Row) -> dict[str, Any]:
    fields = {name: pack[name] for name in ("name", "minutes", "price_cents", "currency")}
    return {"id": pack["pack_id"], **fields, "created_at": rfc3339(pack["created_at"])}


def subscription_json(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "account_id": subscription.account_id,
        "status": str(subscription.status),
        "plan": terms_of_json(subscription.terms),
        "started_at": rfc3339(subscription.started_at),
        "period_number": subscription.period.number,
        "period_start": rfc3339(subscription.period.start),
        "period_end": rfc3339(subscription.period.end),
        "canceled_at": instant(subscription.canceled_at),
    }


def request_json(request: PaymentRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "account_id": request.account_id,
        "subscription_id": request.subscription_id,
        "type": request.type,
        "kind": request.kind,
        "status": str(request.status),
        "currency": request.currency,
        "amount_cents": request.amount_cents,
        "line_items": [_line_json(item) for item in request.line_items],
        "period_start": instant(request.period_start),
        "period_end": instant(request.period_end),
        "created_at": rfc3339(request.created_at),
        "due_at": rfc3339(request.due_at),
        "grace_until": instant(request.grace_until),
        "paid_at": instant(request.paid_at),
        "external_reference": request.external_reference,
    }


def _line_json(item: LineItem) -> dict[str, Any]:
    units, rest = divmod(item.quantity_millionths, ONE)
    return {
        "description": item.description,
        "quantity": item.quantity_millionths / ONE if rest else units,
        "unit": item.unit,
        "price_usd": item.price_usd,
        "amount_cents": item.amount_cents,
    }


def fact_json(fact: Fact) -> dict[str, Any]:
    """The data of the event that tells a fact."""
    about = fact.about
    if isinstance(about, Subscription):
        return {"subscription_id": about.id, "subscription": subscription_json(about), "status": str(about.status)}
    return {"payment_request_id": about.id, "payment_request": request_json(about), "status": str(about.status)}


def access_json(account: Row) -> dict[str, Any]:
    """Every reason closes the portal and rests the campaigns; campaigns rest for want of minutes as well."""
    reason = "client_disabled" if account["disabled"] else account["access_refusal"]
    return {"portal": reason is None, "campaigns": not account["campaigns_paused"], "reason": reason}


def client_json(client: Row) -> dict[str, Any]:
    return {
        "id": client["shown_id"],
        "account_id": client["shown_id"],
        "agency_id": client["shown_agency_id"],
        "name": client["name"],
        "email": client["email"],
        "disabled": client["disabled"],
        "plan_id": client["plan_id"],
        "plan_name": client["plan_name"],
        "pack_ids": list(client["pack_ids"]),
        "subscription_id": client["subscription_id"],
        "subscription_status": client["subscription_status"],
        "access": access_json(client),
        "created_at": rfc3339(client["created_at"]),
    }


def usage_json(pools: Row | None, running: Subscription | None) -> dict[str, Any]:
    """What the open period has used (contract §7, Usage). Seconds and chats are rounded down, for reading only.

    `included.seconds` is what the period was granted, `wallet.seconds` what is left; `chats` are their equivalents,
    null outside chat mode.
    """
    granted_ms, included_ms, wallet_ms, billable_ms, chat_ms, rate = (
        pools[name] if pools is not None else None
        for name in (
            "included_granted_ms",
            "included_ms",
            "wallet_ms",
            "billable_ms",
            "chat_ms",
            "rate_micros_per_minute",
        )
    )
    granted_ms, wallet_ms, billable_ms = granted_ms or 0, wallet_ms or 0, billable_ms or 0
    used_ms = granted_ms - (included_ms or 0)
    return {
        "period_start": None if running is None else rfc3339(running.period.start),
        "period_end": None if running is None else rfc3339(running.period.end),
        "included": {
            "seconds": granted_ms // 1000,
            "used_seconds": used_ms // 1000,
            "percent": used_ms * 100 // granted_ms if granted_ms else 0,
            "chats": _chats(granted_ms, chat_ms),
        },
        "wallet": {"seconds": wallet_ms // 1000, "chats": _chats(wallet_ms, chat_ms)},
        "billable": {
            "seconds": billable_ms // 1000,
            "rate_usd": None if rate is None else usd_exact(rate),
            "amount_cents": usage_cents(billable_ms, rate),
        },
    }


def _chats(ms: int, chat_ms: int | None) -> int | None:
    return None if chat_ms is None else ms // chat_ms
