"""Payment methods: cards, made from a test token or a test card number, attached to a customer or to nobody."""

import hashlib
from typing import Any

from deploy.local.stripe_standin.cards import TEST_MODE, Card, Decline, card_by_number, card_by_token, is_card_number
from deploy.local.stripe_standin.errors import CardRefused, InvalidRequest, Json, missing
from deploy.local.stripe_standin.identifiers import new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    Parameters,
    choice,
    group,
    integer,
    merge_metadata,
    metadata,
    text,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .events import changed, emit
from .lookups import require_customer

ADDRESS: Parameters = {name: text() for name in ("city", "country", "line1", "line2", "postal_code", "state")}
BILLING: Parameters = {"address": group(ADDRESS), "email": text(), "name": text(), "phone": text()}
CARD: Parameters = {
    "number": text(),
    "exp_month": integer(),
    "exp_year": integer(),
    "cvc": text(),
    "token": text(),
}
NEW_CARD: Parameters = {
    "type": choice("card"),
    "card": group(CARD),
    "billing_details": group(BILLING),
    "metadata": metadata(),
    "allow_redisplay": choice("always", "limited", "unspecified"),
}


def refuse_card(decline: Decline, **more: Any) -> CardRefused:
    return CardRefused(
        decline.message,
        code=decline.code,
        decline_code=decline.decline_code,
        advice_code=decline.advice_code,
        param=decline.param,
        **more,
    )


def create_method(work: Work, params: Json) -> Record:
    """A new card that is nobody's; raises for a number that is mistyped, real, or past its date."""
    given = params.get("card") or {}
    if "token" in given:
        card = card_by_token(given["token"])
        if card is None:
            raise missing("token", given["token"], "card[token]", status=400)
    else:
        card = _card_entered(work, given)
    return _store_method(work, card, params)


def _card_entered(work: Work, given: Json) -> Card:
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            full = f"card[{name}]"
            raise InvalidRequest(f"Missing required param: {full}.", code="parameter_missing", param=full)
    number = given["number"].replace(" ", "")
    if not is_card_number(number):
        raise CardRefused("Your card number is incorrect.", code="incorrect_number", param="number")
    if not 1 <= given["exp_month"] <= 12:
        message = "Your card's expiration month is invalid."
        raise CardRefused(message, code="invalid_expiry_month", param="exp_month")
    if given["exp_year"] < 1970 + work.now // 31_556_952:
        raise CardRefused("Your card's expiration year is invalid.", code="invalid_expiry_year", param="exp_year")
    card = card_by_number(number)
    if card is None:
        raise refuse_card(TEST_MODE)
    return card


def _store_method(work: Work, card: Card, params: Json) -> Record:
    given = params.get("card") or {}
    billing = params.get("billing_details") or {}
    address = billing.get("address") or {}
    body = {
        "id": new_stripe_id("pm"),
        "object": "payment_method",
        "allow_redisplay": params.get("allow_redisplay", "unspecified"),
        "billing_details": {
            "address": {part: address.get(part) for part in ADDRESS},
            "email": billing.get("email"),
            "name": billing.get("name"),
            "phone": billing.get("phone"),
            "tax_id": None,
        },
        "card": {
            "brand": card.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass" if given.get("cvc") else None,
            },
            "country": "US",
            "display_brand": card.brand,
            "exp_month": given.get("exp_month", 8),
            "exp_year": given.get("exp_year", 1971 + work.now // 31_556_952),
            "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
            "funding": card.funding,
            "generated_from": None,
            "last4": card.number[-4:],
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": work.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "type": "card",
    }
    return work.store.insert("payment_method", body, {"card": card.name, "set_up": False, "spent": False})


def resolve_method(work: Work, method_id: str, param: str = "payment_method", *, status: int = 400) -> Record:
    """The stored method; a test token (`pm_card_visa`) becomes a new one each time it is named."""
    card = card_by_token(method_id) if method_id.startswith("pm_card_") else None
    if card is not None:
        return _store_method(work, card, {})
    record = work.store.find(method_id, "payment_method")
    if record is None:
        raise missing("PaymentMethod", method_id, param, status=status)
    return record


def require_unspent(method: Record) -> None:
    """One that nobody owns can be charged once; detached, never again."""
    if method.private["spent"]:
        raise InvalidRequest(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, "
            "shared with a connected account without Customer attachment, or was detached from a Customer. "
            "It may not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
        )


def attach_to_customer(work: Work, method: Record, customer_id: str) -> None:
    if method.body["customer"] == customer_id:
        return
    if method.body["customer"] is not None:
        message = "The payment method you provided has already been attached to a customer."
        raise InvalidRequest(message, code="resource_already_exists", param="payment_method")
    require_unspent(method)
    method.body["customer"] = customer_id
    work.store.save(method)
    emit(work, "payment_method.attached", method.body)


def detach_from_customer(work: Work, method: Record) -> None:
    previous = {"customer": method.body["customer"]}
    owner = work.store.find(method.body["customer"])
    if owner and owner.body.get("invoice_settings", {}).get("default_payment_method") == method.id:
        owner.body["invoice_settings"]["default_payment_method"] = None
        work.store.save(owner)
    method.body["customer"] = None
    method.private["spent"] = True
    work.store.save(method)
    emit(work, "payment_method.detached", method.body, previous)


def _create(work: Work, request: Request) -> Json:
    return create_method(work, request.params).body


def _retrieve(work: Work, request: Request) -> Json:
    return resolve_method(work, request.ids["payment_method"], status=404).body


def _update(work: Work, request: Request) -> Json:
    method = resolve_method(work, request.ids["payment_method"], status=404)
    if method.body["customer"] is None:
        message = "You must save this PaymentMethod to a customer before you can update it."
        raise InvalidRequest(message, code="payment_method_unexpected_state")
    before = {**method.body, "card": dict(method.body["card"])}
    method.body["metadata"] = merge_metadata(method.body["metadata"], request.params.get("metadata"))
    method.body["card"].update(request.params.get("card", {}))
    work.store.save(method)
    emit(work, "payment_method.updated", method.body, changed(before, method.body))
    return method.body


def _attach(work: Work, request: Request) -> Json:
    method = resolve_method(work, request.ids["payment_method"], status=404)
    customer = require_customer(work, request.params["customer"])
    from_test_card = _card_of(method)
    if not from_test_card.attaches and from_test_card.decline:
        raise refuse_card(from_test_card.decline)
    attach_to_customer(work, method, customer.id)
    return method.body


def _card_of(method: Record) -> Card:
    card = card_by_token("pm_card_" + method.private["card"])
    assert card is not None
    return card


def _detach(work: Work, request: Request) -> Json:
    method = resolve_method(work, request.ids["payment_method"], status=404)
    if method.body["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise InvalidRequest(message, param="payment_method")
    detach_from_customer(work, method)
    return method.body


def _list(work: Work, request: Request) -> Json:
    customer_id = request.params.get("customer")
    if customer_id is None:
        # Stripe then lists methods of Treasury flows, which the stand-in has none of.
        return {"object": "list", "data": [], "has_more": False, "url": "/v1/payment_methods"}
    customer = require_customer(work, customer_id)
    return page(work, request, "payment_method", "/v1/payment_methods", where={"customer": customer.id})


def _list_of_customer(work: Work, request: Request) -> Json:
    customer_id = request.ids["customer"]
    work.store.require("customer", customer_id, "id")
    return page(
        work, request, "payment_method", f"/v1/customers/{customer_id}/payment_methods", where={"customer": customer_id}
    )


def _retrieve_of_customer(work: Work, request: Request) -> Json:
    method = work.store.require("payment_method", request.ids["payment_method"], "payment_method")
    if method.body["customer"] != request.ids["customer"]:
        raise missing("PaymentMethod", method.id, "payment_method")
    return method.body


_ONE = "/v1/payment_methods/{payment_method}"
_OF_CUSTOMER = "/v1/customers/{customer}/payment_methods"
_UPDATED: Parameters = {
    **EXPAND,
    "metadata": metadata(),
    "card": group({"exp_month": integer(), "exp_year": integer()}),
}
OPERATIONS = (
    Operation("POST", "/v1/payment_methods", _create, {**EXPAND, **NEW_CARD}, publishable=True),
    Operation("GET", "/v1/payment_methods", _list, {**PAGE, "customer": text(), "type": choice("card")}),
    Operation("GET", _ONE, _retrieve, EXPAND),
    Operation("POST", _ONE, _update, _UPDATED),
    Operation("POST", _ONE + "/attach", _attach, {**EXPAND, "customer": text().required()}),
    Operation("POST", _ONE + "/detach", _detach, EXPAND),
    Operation("GET", _OF_CUSTOMER, _list_of_customer, {**PAGE, "type": choice("card")}),
    Operation("GET", _OF_CUSTOMER + "/{payment_method}", _retrieve_of_customer, EXPAND),
)
