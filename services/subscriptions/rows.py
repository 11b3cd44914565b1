"""Rows of the database as the domain's values, and back."""

from typing import Any

from services.subscriptions.domain.lifecycle import Status, Subscription
from services.subscriptions.domain.payment_requests import LineItem, PaymentRequest, RequestStatus
from services.subscriptions.domain.rhythm import Period, Rhythm
from services.subscriptions.domain.terms import Terms

Row = Any
"""A row of the database, or a mapping with the same names: read by name."""

_TERM_FIELDS = (
    "plan_id",
    "name",
    "currency",
    "recurring_fee_cents",
    "minute_rate_usd",
    "included_minutes",
    "due_days",
    "grace_days",
    "packs_allowed",
    "client_may_start",
    "chats_per_minute",
)


def terms_of_plan(plan: Row, timezone: str) -> Terms:
    """A plan's terms as they stand, its periods on the wall clock of `timezone`."""
    rhythm = Rhythm(plan["rhythm"], plan["rhythm_count"], timezone)
    return Terms(rhythm=rhythm, **{name: plan[name] for name in _TERM_FIELDS})


def terms_json(terms: Terms) -> dict[str, Any]:
    """Terms as they are stored with a subscription."""
    rhythm = terms.rhythm
    return {
        **{name: getattr(terms, name) for name in _TERM_FIELDS},
        "rhythm": rhythm.unit,
        "rhythm_count": rhythm.count,
        "timezone": rhythm.timezone,
    }


def subscription_of(row: Row) -> Subscription:
    terms = row["terms"]
    return Subscription(
        id=row["subscription_id"],
        account_id=row["account_id"],
        terms=terms_of_plan(terms, terms["timezone"]),
        status=Status(row["status"]),
        started_at=row["started_at"],
        period=Period(row["period_number"], row["period_start"], row["period_end"], row["period_end_index"]),
        canceled_at=row["canceled_at"],
    )


def request_of(row: Row) -> PaymentRequest:
    return PaymentRequest(
        id=row["request_id"],
        account_id=row["account_id"],
        subscription_id=row["subscription_id"],
        period_number=row["period_number"],
        type=row["type"],
        kind=row["kind"],
        status=RequestStatus(row["status"]),
        currency=row["currency"],
        amount_cents=row["amount_cents"],
        line_items=tuple(LineItem(**item) for item in row["line_items"]),
        period_start=row["period_start"],
        period_end=row["period_end"],
        created_at=row["created_at"],
        due_at=row["due_at"],
        grace_until=row["grace_until"],
        paid_at=row["paid_at"],
        external_reference=row["external_reference"],
        supplement=row["supplement"],
    )
