"""Checkout sessions in mode `setup`: a hosted page on which the customer enters a card to keep."""

from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.identifiers import random_text
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
    moments,
    text,
    texts,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .events import emit
from .lookups import require_customer
from .setup_intents import create_setup_intent

_KIND = "checkout_session"
_LIFE_SECONDS = 24 * 3600
_LIFE_SECONDS_MIN = 30 * 60


def _create(work: Work, request: Request) -> Json:
    params = request.params
    if not params.get("success_url"):
        raise InvalidRequest("You must provide `success_url`.", code="parameter_missing", param="success_url")
    if not params.get("currency") and not params.get("payment_method_types"):
        message = "You must provide `currency` or `payment_method_types` in `setup` mode."
        raise InvalidRequest(message, code="parameter_missing", param="currency")
    customer = require_customer(work, params["customer"]) if params.get("customer") else None
    setup = params.get("setup_intent_data") or {}
    intent = create_setup_intent(
        work,
        {
            "customer": params.get("customer"),
            "description": setup.get("description"),
            "metadata": setup.get("metadata"),
            "payment_method_types": ["card"],
        },
    )
    body = _body(work, params, intent.id, customer)
    work.store.insert(_KIND, body)
    return body


_UNSET = (
    "adaptive_pricing",
    "after_expiration",
    "allow_promotion_codes",
    "amount_subtotal",
    "amount_total",
    "billing_address_collection",
    "client_secret",
    "collected_information",
    "consent",
    "consent_collection",
    "currency_conversion",
    "customer_account",
    "discounts",
    "integration_identifier",
    "invoice",
    "invoice_creation",
    "managed_payments",
    "optional_items",
    "origin_context",
    "payment_intent",
    "payment_link",
    "payment_method_configuration_details",
    "permissions",
    "recovered_from",
    "saved_payment_method_options",
    "shipping_address_collection",
    "shipping_cost",
    "submit_type",
    "subscription",
    "total_details",
    "wallet_options",
)
"""Attributes of a session that a set-up of a card leaves empty."""


def _body(work: Work, params: Json, intent_id: str, customer: Record | None) -> Json:
    session_id = "cs_test_" + random_text(58)
    expires_at = params.get("expires_at", work.now + _LIFE_SECONDS)
    if not work.now + _LIFE_SECONDS_MIN <= expires_at <= work.now + _LIFE_SECONDS:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise InvalidRequest(message, param="expires_at")
    return {
        **dict.fromkeys(_UNSET),
        "id": session_id,
        "object": "checkout.session",
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "created": work.now,
        "currency": params.get("currency"),
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": params.get("customer"),
        "customer_creation": None if customer else "if_required",
        "customer_details": _details(customer, params.get("customer_email")),
        "customer_email": params.get("customer_email"),
        "expires_at": expires_at,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": merge_metadata({}, params.get("metadata")),
        "mode": "setup",
        "payment_method_collection": "always",
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required",
        "phone_number_collection": {"enabled": False},
        "setup_intent": intent_id,
        "shipping_options": [],
        "status": "open",
        "success_url": params["success_url"],
        "ui_mode": "hosted_page",
        "url": f"{work.settings.public_base}/c/pay/{session_id}",
    }


def _details(customer: Record | None, email: str | None) -> Json | None:
    known = customer.body if customer else {}
    if not known.get("email") and not email:
        return None
    return {
        "address": None,
        "business_name": None,
        "email": email or known["email"],
        "individual_name": None,
        "name": known.get("name"),
        "phone": known.get("phone"),
        "tax_exempt": "none",
        "tax_ids": None,
    }


def complete_session(work: Work, session: Record) -> None:
    """The card is kept; the page may send the customer back."""
    session.body.update(status="complete", url=None)
    work.store.save(session)
    emit(work, "checkout.session.completed", session.body)


def expire_session(work: Work, session: Record) -> None:
    session.body.update(status="expired", url=None)
    work.store.save(session)
    emit(work, "checkout.session.expired", session.body)


def expire_due_sessions(work: Work) -> None:
    """Those left open past their time."""
    for session in list(work.store.each(_KIND, gte=work.now - 3 * _LIFE_SECONDS)):
        if session.body["status"] == "open" and session.body["expires_at"] <= work.now:
            expire_session(work, session)


def _expire(work: Work, request: Request) -> Json:
    session = _existing(work, request)
    if session.body["status"] != "open":
        raise InvalidRequest(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of {session.body['status']}."
        )
    expire_session(work, session)
    return session.body


def _existing(work: Work, request: Request) -> Record:
    return work.store.require(_KIND, request.ids["session"], "session")


def _retrieve(work: Work, request: Request) -> Json:
    return _existing(work, request).body


def _list(work: Work, request: Request) -> Json:
    status = request.params.get("status")

    def fits(session: Record) -> bool:
        return status is None or session.body["status"] == status

    customer_id = request.params.get("customer") or None
    return page(work, request, _KIND, "/v1/checkout/sessions", fits=fits, where={"customer": customer_id})


_CREATED: Parameters = {
    **EXPAND,
    "cancel_url": text(),
    "client_reference_id": text(200),
    "currency": text(),
    "customer": text(),
    "customer_email": text(),
    "expires_at": integer(),
    "locale": text(),
    "metadata": metadata(),
    "mode": choice("setup").required(),
    "payment_method_types": texts(),
    "setup_intent_data": group({"description": text(), "metadata": metadata()}),
    "success_url": text(),
    "ui_mode": choice("hosted_page"),
}
_STATUS = choice("complete", "expired", "open")
_ONE = "/v1/checkout/sessions/{session}"
OPERATIONS = (
    Operation("POST", "/v1/checkout/sessions", _create, _CREATED),
    Operation(
        "GET",
        "/v1/checkout/sessions",
        _list,
        {**PAGE, "customer": text(), "status": _STATUS, "created": moments()},
    ),
    Operation("GET", _ONE, _retrieve, EXPAND),
    Operation("POST", _ONE + "/expire", _expire, EXPAND),
)
