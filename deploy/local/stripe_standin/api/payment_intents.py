"""Payment intents: create, confirm, cancel, list."""

from deploy.local.stripe_standin.amounts import check_amount, check_currency
from deploy.local.stripe_standin.attempts import try_payment
from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.identifiers import client_secret, new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    UNSET,
    Parameters,
    boolean,
    choice,
    group,
    integer,
    merge_metadata,
    metadata,
    moments,
    text,
)
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

from .events import emit
from .intents import (
    CANCELABLE,
    CONFIRMED,
    METHOD_TYPES,
    check_owner,
    method_given,
    method_types,
    require_return_url,
    shown,
    unexpected_state,
    visible_intent,
)
from .lookups import require_customer
from .payment_methods import ADDRESS

_KIND = "payment_intent"
_COPIED = ("description", "receipt_email", "setup_future_usage", "statement_descriptor_suffix")


def _create(work: Work, request: Request) -> Json:
    params = request.params
    currency = check_currency(params["currency"])
    check_amount(params["amount"], currency)
    confirms = params.get("confirm", False)
    if not confirms:
        for name in ("off_session", "error_on_requires_action", "return_url", "mandate_data"):
            if name in params:
                raise InvalidRequest(f"You must set `confirm` to `true` when you use `{name}`.", param=name)
    if params.get("customer"):
        require_customer(work, params["customer"])
    _check_descriptor(params)
    _, automatic = method_types(params)
    if confirms:
        require_return_url(request, automatic, params)
    method = method_given(work, params)
    if method:
        check_owner(method, params.get("customer") or None)
    intent = work.store.insert(_KIND, _body(work, params, currency, automatic, method))
    emit(work, "payment_intent.created", intent.body)
    if confirms:
        _confirm_with(work, intent, method, params)
    return intent.body


def _body(work: Work, params: Json, currency: str, automatic: Json | None, method: Record | None) -> Json:
    intent_id = new_stripe_id("pi")
    shipping = params.get("shipping")
    return {
        "id": intent_id,
        "object": _KIND,
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": client_secret(intent_id),
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "created": work.now,
        "currency": currency,
        "customer": params.get("customer") or None,
        "customer_account": None,
        **{name: params.get(name) or None for name in _COPIED},
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": method.id if method else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "review": None,
        "shipping": _shipping(shipping) if shipping else None,
        "statement_descriptor": None,
        "status": "requires_confirmation" if method else "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def _shipping(given: Json) -> Json:
    address = given.get("address") or {}
    return {
        "address": {part: address.get(part) for part in ADDRESS},
        "carrier": given.get("carrier"),
        "name": given.get("name"),
        "phone": given.get("phone"),
        "tracking_number": given.get("tracking_number"),
    }


def _check_descriptor(params: Json) -> None:
    suffix = params.get("statement_descriptor_suffix")
    if suffix and (len(suffix) > 22 or not any(letter.isalpha() for letter in suffix)):
        message = "The statement descriptor suffix must contain a letter and be 22 characters at most."
        raise InvalidRequest(message, param="statement_descriptor_suffix")


def _confirm_with(work: Work, intent: Record, method: Record | None, params: Json) -> None:
    if method is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update "
            "the PaymentIntent with a payment method and then confirm it again, or confirm it again directly with "
            "a payment method or ConfirmationToken."
        )
        raise InvalidRequest(message, code="payment_intent_unexpected_state", payment_intent=intent.body)
    try_payment(
        work,
        intent,
        method,
        off_session=params.get("off_session", False),
        refuse_action=params.get("error_on_requires_action", False),
        return_url=params.get("return_url"),
    )


def _confirm(work: Work, request: Request) -> Json:
    intent = visible_intent(work, request, _KIND, "intent")
    body, params = intent.body, request.params
    if body["status"] not in CANCELABLE:
        raise unexpected_state(_KIND, body, "confirm")
    if not request.publishable:
        require_return_url(request, body["automatic_payment_methods"], params)
    method = method_given(work, params)
    if method is None and body["payment_method"]:
        method = work.store.get(body["payment_method"])
    if method:
        check_owner(method, body["customer"])
    for name in ("receipt_email", "setup_future_usage"):
        if name in params:
            body[name] = params[name] or None
    _confirm_with(work, intent, method, params)
    return shown(request, body)


def _cancel(work: Work, request: Request) -> Json:
    intent = visible_intent(work, request, _KIND, "intent")
    body = intent.body
    if body["status"] not in CANCELABLE:
        raise unexpected_state(_KIND, body, "cancel")
    body.update(
        status="canceled",
        canceled_at=work.now,
        cancellation_reason=request.params.get("cancellation_reason"),
        next_action=None,
    )
    work.store.save(intent)
    emit(work, "payment_intent.canceled", body)
    return body


def _update(work: Work, request: Request) -> Json:
    intent = visible_intent(work, request, _KIND, "intent")
    body, params = intent.body, request.params
    if set(params) - {"metadata", "description", "expand"} and body["status"] not in CANCELABLE:
        raise unexpected_state(_KIND, body, "update")
    if "amount" in params:
        check_amount(params["amount"], body["currency"])
        body["amount"] = params["amount"]
    if params.get("customer"):
        body["customer"] = require_customer(work, params["customer"]).id
    method = method_given(work, params)
    if method:
        check_owner(method, body["customer"])
        body.update(payment_method=method.id, status="requires_confirmation", next_action=None)
    for name in _COPIED:
        if name in params:
            body[name] = params[name] or None
    body["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    work.store.save(intent)
    return body


def _list(work: Work, request: Request) -> Json:
    return page(work, request, _KIND, "/v1/payment_intents", where={"customer": request.params.get("customer") or None})


def _retrieve(work: Work, request: Request) -> Json:
    return shown(request, visible_intent(work, request, _KIND, "intent").body)


_WRITTEN: Parameters = {
    **EXPAND,
    "customer": text(),
    "description": text(),
    "metadata": metadata(),
    "payment_method": text(),
    "receipt_email": text(),
    "setup_future_usage": choice("off_session", "on_session", UNSET),
    "statement_descriptor_suffix": text(),
}
_CREATED: Parameters = {
    **_WRITTEN,
    **CONFIRMED,
    **METHOD_TYPES,
    "amount": integer().required(),
    "capture_method": choice("automatic", "automatic_async"),
    "confirm": boolean(),
    "confirmation_method": choice("automatic"),
    "currency": text().required(),
    "error_on_requires_action": boolean(),
    "off_session": boolean(),
    "shipping": group(
        {
            "address": group(ADDRESS),
            "carrier": text(),
            "name": text(),
            "phone": text(),
            "tracking_number": text(),
        }
    ),
}
_CONFIRMED: Parameters = {
    **EXPAND,
    **CONFIRMED,
    "client_secret": text(),
    "error_on_requires_action": boolean(),
    "off_session": boolean(),
    "receipt_email": text(),
    "setup_future_usage": choice("off_session", "on_session", UNSET),
}
_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_ONE = "/v1/payment_intents/{intent}"
OPERATIONS = (
    Operation("POST", "/v1/payment_intents", _create, _CREATED),
    Operation("GET", "/v1/payment_intents", _list, {**PAGE, "customer": text(), "created": moments()}),
    Operation("GET", _ONE, _retrieve, {**EXPAND, "client_secret": text()}, publishable=True),
    Operation("POST", _ONE, _update, {**_WRITTEN, "amount": integer()}),
    Operation("POST", _ONE + "/confirm", _confirm, _CONFIRMED, publishable=True),
    Operation("POST", _ONE + "/cancel", _cancel, {**EXPAND, "cancellation_reason": choice(*_REASONS)}),
)
