"""Refunds: of a charge, whole or in part; some cards let a refund fail later, or leave it pending."""

from typing import Any

from deploy.local.stripe_standin.cards import CARDS
from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.identifiers import new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    Parameters,
    choice,
    integer,
    merge_metadata,
    metadata,
    moments,
    text,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .balance_transactions import record_balance_change
from .events import changed, emit


def _create(work: Work, request: Request) -> Json:
    params = request.params
    charge = _charge_to_refund(work, params)
    amount = _amount(charge.body, params.get("amount"))
    outcome = _outcome(work, charge)
    body = {
        "id": new_stripe_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge.id,
        "created": work.now,
        "currency": charge.body["currency"],
        "destination_details": {"card": {"type": "pending" if outcome == "pending" else "refund"}, "type": "card"},
        "metadata": merge_metadata({}, params.get("metadata")),
        "payment_intent": charge.body["payment_intent"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if outcome == "pending" else "succeeded",
        "transfer_reversal": None,
    }
    if outcome == "pending":
        body["pending_reason"] = "processing"
    change = record_balance_change(work, "refund", body["id"], amount=-amount, currency=body["currency"])
    body["balance_transaction"] = change["id"]
    refund = work.store.insert("refund", body)
    emit(work, "refund.created", body)
    _add_refunded(work, charge, amount)
    emit(work, "charge.refund.updated", body)
    if outcome == "failed":
        # Stripe answers "succeeded" and tells of the failure later, by event.
        answered = dict(body)
        fail_refund(work, refund, "expired_or_canceled_card")
        return answered
    return body


def _outcome(work: Work, charge: Record) -> str:
    method = work.store.get(charge.body["payment_method"])
    return CARDS[method.private["card"]].refund


def _charge_to_refund(work: Work, params: Json) -> Record:
    if ("charge" in params) == ("payment_intent" in params):
        raise InvalidRequest(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    if "charge" in params:
        charge = work.store.require("charge", params["charge"], "charge")
    else:
        intent = work.store.require("payment_intent", params["payment_intent"], "payment_intent")
        if intent.body["status"] != "succeeded":
            message = f"This PaymentIntent ({intent.id}) does not have a successful charge to refund."
            raise InvalidRequest(message, code="payment_intent_unexpected_state", param="payment_intent")
        charge = work.store.get(intent.body["latest_charge"])
    if charge.body["status"] != "succeeded":
        raise InvalidRequest(f"Charge {charge.id} has not been captured, so it can't be refunded.", param="charge")
    for dispute in work.store.each("dispute", charge=charge.id):
        if not dispute.body["is_charge_refundable"] and dispute.body["status"] != "won":
            message = f"Charge {charge.id} has been charged back; cannot issue a refund."
            raise InvalidRequest(message, code="charge_disputed", param="charge")
    return charge


def _amount(charge: Json, wanted: int | None) -> int:
    remaining: int = charge["amount"] - charge["amount_refunded"]
    if remaining == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise InvalidRequest(message, code="charge_already_refunded")
    if wanted is None:
        return remaining
    if wanted < 1:
        message = "This value must be greater than or equal to 1."
        raise InvalidRequest(message, code="parameter_invalid_integer", param="amount")
    if wanted > remaining:
        raise InvalidRequest(
            f"Refund amount (${wanted / 100:.2f}) is greater than unrefunded amount on charge (${remaining / 100:.2f})",
            param="amount",
        )
    return wanted


def _add_refunded(work: Work, charge: Record, amount: int) -> None:
    before = dict(charge.body)
    refunded = charge.body["amount_refunded"] + amount
    charge.body.update(amount_refunded=refunded, refunded=refunded == charge.body["amount"])
    work.store.save(charge)
    kind = "charge.refunded" if amount > 0 else "charge.updated"
    emit(work, kind, charge.body, changed(before, charge.body))


def _settle(work: Work, refund: Record, kind: str, **values: Any) -> None:
    before = dict(refund.body)
    refund.body.update(values)
    refund.body.pop("pending_reason", None)
    work.store.save(refund)
    difference = changed(before, refund.body)
    for event in dict.fromkeys((kind, "refund.updated", "charge.refund.updated")):
        emit(work, event, refund.body, difference)


def fail_refund(work: Work, refund: Record, reason: str) -> None:
    """The bank could not take the money back: it returns to the platform's balance."""
    _give_up(work, refund, "failed")
    back = _returned(work, refund, "refund_failure")
    _settle(work, refund, "refund.failed", status="failed", failure_reason=reason, failure_balance_transaction=back)
    _add_refunded(work, work.store.get(refund.body["charge"]), -refund.body["amount"])


def complete_refund(work: Work, refund: Record) -> None:
    """A pending refund arrived."""
    details = {"card": {"type": "refund"}, "type": "card"}
    _settle(work, refund, "refund.updated", status="succeeded", destination_details=details)


def _returned(work: Work, refund: Record, kind: str) -> str:
    body = refund.body
    change = record_balance_change(work, kind, refund.id, amount=body["amount"], currency=body["currency"])
    return str(change["id"])


def _give_up(work: Work, refund: Record, outcome: str) -> None:
    if refund.body["status"] in ("failed", "canceled"):
        message = f"The refund {refund.id} is {refund.body['status']} and can't become {outcome}."
        raise InvalidRequest(message, param="refund")


def _cancel(work: Work, request: Request) -> Json:
    refund = work.store.require("refund", request.ids["refund"], "id")
    # Stripe cancels only refunds that wait for the customer's action, which a card's refund never does.
    raise InvalidRequest(f"The refund {refund.id} has a status of {refund.body['status']} and can't be canceled.")


def _update(work: Work, request: Request) -> Json:
    refund = work.store.require("refund", request.ids["refund"], "id")
    merged = merge_metadata(refund.body["metadata"], request.params.get("metadata"))
    before = dict(refund.body)
    refund.body["metadata"] = merged
    work.store.save(refund)
    for event in ("refund.updated", "charge.refund.updated"):
        emit(work, event, refund.body, changed(before, refund.body))
    return refund.body


def _list(work: Work, request: Request) -> Json:
    where = {name: request.params.get(name) for name in ("charge", "payment_intent")}
    return page(work, request, "refund", "/v1/refunds", where=where)


def _retrieve(work: Work, request: Request) -> Json:
    return work.store.require("refund", request.ids["refund"], "id").body


_CREATED: Parameters = {
    **EXPAND,
    "amount": integer(),
    "charge": text(),
    "metadata": metadata(),
    "payment_intent": text(),
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
}
_FILTERS: Parameters = {"charge": text(), "payment_intent": text(), "created": moments()}
OPERATIONS = (
    Operation("POST", "/v1/refunds", _create, _CREATED),
    Operation("GET", "/v1/refunds", _list, {**PAGE, **_FILTERS}),
    Operation("GET", "/v1/refunds/{refund}", _retrieve, EXPAND),
    Operation("POST", "/v1/refunds/{refund}", _update, {**EXPAND, "metadata": metadata()}),
    Operation("POST", "/v1/refunds/{refund}/cancel", _cancel, EXPAND),
)
