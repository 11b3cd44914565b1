"""Balance transactions: what a charge, a refund or a dispute did to the platform's Stripe balance."""

from deploy.local.stripe_standin.errors import Json
from deploy.local.stripe_standin.identifiers import new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import EXPAND, PAGE, moments
from deploy.local.stripe_standin.work import Operation, Request, Work

DISPUTE_FEE_CENTS = 1500
_AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600


def charge_fee_cents(amount: int) -> int:
    """2.9 % rounded half up, and 30 cents."""
    return (amount * 29 + 500) // 1000 + 30


def record_balance_change(
    work: Work, kind: str, source: str, *, amount: int, currency: str, fee: int = 0, category: str | None = None
) -> Json:
    """`amount` is signed and gross; the balance changes by `amount - fee`."""
    fees = [{"amount": fee, "application": None, "currency": currency, "description": "Fee", "type": "stripe_fee"}]
    body = {
        "id": new_stripe_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": work.now + _AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": work.now,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees if fee else [],
        "net": amount - fee,
        "reporting_category": category or kind,
        "source": source,
        "status": "pending",
        "type": kind,
    }
    work.store.insert("balance_transaction", body)
    return body


def _list(work: Work, request: Request) -> Json:
    return page(work, request, "balance_transaction", "/v1/balance_transactions")


def _retrieve(work: Work, request: Request) -> Json:
    return work.store.require("balance_transaction", request.ids["id"], "id").body


OPERATIONS = (
    Operation("GET", "/v1/balance_transactions", _list, {**PAGE, "created": moments()}),
    Operation("GET", "/v1/balance_transactions/{id}", _retrieve, EXPAND),
)
