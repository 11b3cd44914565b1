"""From Stripe's objects to our facts. Objects are open: fields may be missing, statuses unheard of."""

from datetime import UTC, datetime
from typing import Any

from services.payments.provider import Card, CardSetup, Dispute, Payment, Refund, ToldEvent
from services.payments.stripe_errors import failure_of

APP = "ringfence"


def id_of(value: Any) -> str | None:
    """An id, whether the field came expanded or not."""
    return value if value is None or isinstance(value, str) else value.id


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def marks(installation_id: str, **more: str) -> dict[str, str]:
    """The metadata of everything we make: another installation on the same account leaves it alone."""
    return {"app": APP, "env": installation_id, **more}


def payment(intent: Any, installation_id: str) -> Payment:
    told = intent.metadata.to_dict() if intent.metadata else {}
    error = getattr(intent, "last_payment_error", None)
    return Payment(
        payment_id=intent.id,
        status=intent.status,
        amount_cents=intent.amount,
        received_cents=getattr(intent, "amount_received", 0) or 0,
        currency=intent.currency,
        customer_id=id_of(getattr(intent, "customer", None)),
        card_id=id_of(getattr(intent, "payment_method", None)),
        client_secret=getattr(intent, "client_secret", None),
        is_ours=told.get("app") == APP and told.get("env") == installation_id,
        attempt_id=told.get("attempt_id"),
        account_id=told.get("org"),
        kind=told.get("kind"),
        created_at=at(intent.created),
        failure=failure_of(error) if error else None,
    )


def card(method: Any) -> Card:
    details = getattr(method, "card", None)
    return Card(
        card_id=method.id,
        customer_id=id_of(getattr(method, "customer", None)),
        brand=getattr(details, "brand", None),
        last4=getattr(details, "last4", None),
        exp_month=getattr(details, "exp_month", None),
        exp_year=getattr(details, "exp_year", None),
    )


def card_setup(intent: Any) -> CardSetup:
    return CardSetup(
        setup_id=intent.id,
        status=intent.status,
        client_secret=getattr(intent, "client_secret", None),
        customer_id=id_of(getattr(intent, "customer", None)),
        card_id=id_of(getattr(intent, "payment_method", None)),
    )


def refund(told: Any) -> Refund:
    metadata = told.metadata.to_dict() if getattr(told, "metadata", None) else {}
    return Refund(
        provider_refund_id=told.id,
        refund_id=metadata.get("refund_id"),
        payment_id=id_of(getattr(told, "payment_intent", None)),
        amount_cents=told.amount,
        currency=told.currency,
        is_gone=told.status in ("failed", "canceled"),
        created_at=at(told.created),
    )


def dispute(told: Any) -> Dispute:
    """The balance transactions are the authority on whether money moved, whatever the status is called."""
    moved = [entry.amount for entry in getattr(told, "balance_transactions", None) or []]
    return Dispute(
        dispute_id=told.id,
        payment_id=id_of(getattr(told, "payment_intent", None)),
        amount_cents=told.amount,
        currency=told.currency,
        status=told.status,
        is_taken=any(amount < 0 for amount in moved),
        is_returned=any(amount > 0 for amount in moved),
        created_at=at(told.created),
    )


def told_event(event: Any) -> ToldEvent | None:
    """None for what we don't listen to."""
    if event.type not in LISTENED_TO:
        return None
    subject = event.data.object
    return ToldEvent(
        event_id=event.id,
        type=event.type,
        object_id=subject.id,
        parent_id=id_of(getattr(subject, "payment_intent", None)),
        is_live=bool(event.livemode),
        created_at=at(event.created),
    )


LISTENED_TO = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.canceled",
        "setup_intent.succeeded",
        "checkout.session.completed",
        "charge.refunded",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
        "payment_method.automatically_updated",
        "payment_method.detached",
    }
)
