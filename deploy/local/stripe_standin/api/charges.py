"""Charges: one for each time a card was tried, succeeded or failed. Made by payment intents alone."""

from deploy.local.stripe_standin.cards import Card, Decline
from deploy.local.stripe_standin.errors import Json
from deploy.local.stripe_standin.identifiers import new_stripe_id, random_text
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    Parameters,
    group,
    merge_metadata,
    metadata,
    moments,
    text,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .balance_transactions import charge_fee_cents, record_balance_change
from .events import changed, emit

_APPROVED: Json = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 12,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def record_charge(
    work: Work, intent: Json, method: Record, card: Card, *, decline: Decline | None, authenticated: bool
) -> Record:
    """The try of `method` for the intent, with its balance transaction when it took the money."""
    charge_id = new_stripe_id("ch")
    body = _charge_body(work, charge_id, intent, method, card, authenticated)
    if decline is None:
        change = record_balance_change(
            work,
            "charge",
            charge_id,
            amount=intent["amount"],
            currency=intent["currency"],
            fee=charge_fee_cents(intent["amount"]),
        )
        body["balance_transaction"] = change["id"]
        body["receipt_url"] = f"{work.settings.public_base}/receipts/{charge_id}"
    else:
        body.update(_failure(decline))
    charge = work.store.insert("charge", body)
    emit(work, "charge.succeeded" if decline is None else "charge.failed", body)
    return charge


def _charge_body(work: Work, charge_id: str, intent: Json, method: Record, card: Card, authenticated: bool) -> Json:
    return {
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method.body["billing_details"],
        "calculated_statement_descriptor": "RINGFENCE STAND-IN",
        "captured": True,
        "created": work.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _APPROVED,
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method.id,
        "payment_method_details": {"card": _card_details(method, intent["amount"], authenticated), "type": "card"},
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def _card_details(method: Record, amount: int, authenticated: bool) -> Json:
    shown = method.body["card"]
    proof = {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": random_text(24),
        "version": "2.2.0",
    }
    copied = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    return {
        **{name: shown[name] for name in copied},
        "amount_authorized": amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": shown["brand"],
        "network_token": {"used": False},
        "network_transaction_id": random_text(15),
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": shown["regulated_status"],
        "three_d_secure": proof if authenticated else None,
    }


def _failure(decline: Decline) -> Json:
    outcome = {
        **_APPROVED,
        "advice_code": decline.advice_code,
        "network_status": "not_sent_to_network" if decline.blocked_by_stripe else "declined_by_network",
        "reason": decline.decline_code or decline.code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "blocked" if decline.blocked_by_stripe else "issuer_declined",
    }
    if decline.blocked_by_stripe:
        outcome |= {"risk_level": "highest", "risk_score": 92, "reason": "highest_risk_level"}
    return {
        "amount_captured": 0,
        "captured": False,
        "failure_code": decline.code,
        "failure_message": decline.message,
        "outcome": outcome,
        "paid": False,
        "status": "failed",
    }


def _list(work: Work, request: Request) -> Json:
    where = {name: request.params.get(name) for name in ("customer", "payment_intent")}
    return page(work, request, "charge", "/v1/charges", where=where)


def _retrieve(work: Work, request: Request) -> Json:
    return work.store.require("charge", request.ids["charge"], "id").body


def _update(work: Work, request: Request) -> Json:
    charge = work.store.require("charge", request.ids["charge"], "id")
    before = dict(charge.body)
    charge.body["metadata"] = merge_metadata(charge.body["metadata"], request.params.get("metadata"))
    for name in ("description", "receipt_email"):
        if name in request.params:
            charge.body[name] = request.params[name] or None
    if "fraud_details" in request.params:
        charge.body["fraud_details"] = request.params["fraud_details"] or {}
    work.store.save(charge)
    emit(work, "charge.updated", charge.body, changed(before, charge.body))
    return charge.body


_UPDATED: Parameters = {
    **EXPAND,
    "description": text(),
    "fraud_details": group({"user_report": text()}),
    "metadata": metadata(),
    "receipt_email": text(),
}
_FILTERS: Parameters = {"customer": text(), "payment_intent": text(), "created": moments()}
OPERATIONS = (
    Operation("GET", "/v1/charges", _list, {**PAGE, **_FILTERS}),
    Operation("GET", "/v1/charges/{charge}", _retrieve, EXPAND),
    Operation("POST", "/v1/charges/{charge}", _update, _UPDATED),
)
