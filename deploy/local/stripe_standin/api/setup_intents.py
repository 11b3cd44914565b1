"""Setup intents: a card is checked, authenticated where its bank wants that, and kept for later payments."""

import copy

from deploy.local.stripe_standin.attempts import AUTHENTICATION_FAILED, card_of, next_action
from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.identifiers import client_secret, new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    Parameters,
    boolean,
    choice,
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
from .payment_methods import attach_to_customer, refuse_card

_KIND = "setup_intent"


def create_setup_intent(work: Work, params: Json, method: Record | None = None) -> Record:
    _, automatic = method_types(params)
    intent_id = new_stripe_id("seti")
    body: Json = {
        "id": intent_id,
        "object": _KIND,
        "application": None,
        "automatic_payment_methods": automatic,
        "cancellation_reason": None,
        "client_secret": client_secret(intent_id),
        "created": work.now,
        "customer": params.get("customer") or None,
        "customer_account": None,
        "description": params.get("description") or None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": method.id if method else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_confirmation" if method else "requires_payment_method",
        "usage": params.get("usage", "off_session"),
    }
    intent = work.store.insert(_KIND, body)
    emit(work, "setup_intent.created", body)
    return intent


def try_setup(work: Work, intent: Record, method: Record, return_url: str | None) -> None:
    """Confirm: succeeded, requires_action, or CardRefused is raised with the failure recorded."""
    card, body = card_of(method), intent.body
    body.update(
        payment_method=method.id,
        latest_attempt=new_stripe_id("setatt"),
        last_setup_error=None,
        next_action=None,
    )
    if card.decline and not card.attaches:
        refusal = refuse_card(card.decline, payment_method=copy.deepcopy(method.body))
        _back_to_start(work, intent, refusal.error)
        refusal.error["setup_intent"] = copy.deepcopy(body)
        raise refusal
    if card.authentication != "never" and not method.private["set_up"]:
        body.update(status="requires_action", next_action=next_action(work, body, return_url))
        work.store.save(intent)
        emit(work, "setup_intent.requires_action", body)
        return
    complete_setup(work, intent, method)


def complete_setup(work: Work, intent: Record, method: Record) -> None:
    body = intent.body
    body.update(status="succeeded", next_action=None)
    work.store.save(intent)
    method.private["set_up"] = True
    if body["customer"]:
        attach_to_customer(work, method, body["customer"])
    else:
        method.private["spent"] = False
    work.store.save(method)
    emit(work, "setup_intent.succeeded", body)


def fail_setup_authentication(work: Work, intent: Record, method: Record) -> None:
    failure = InvalidRequest(AUTHENTICATION_FAILED, code="setup_intent_authentication_failure")
    _back_to_start(work, intent, {**failure.error, "payment_method": copy.deepcopy(method.body)})


def _back_to_start(work: Work, intent: Record, error: Json) -> None:
    intent.body.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=copy.deepcopy(error),
    )
    work.store.save(intent)
    emit(work, "setup_intent.setup_failed", intent.body)


def _create(work: Work, request: Request) -> Json:
    params = request.params
    if params.get("customer"):
        require_customer(work, params["customer"])
    confirms = params.get("confirm", False)
    if not confirms and "return_url" in params:
        raise InvalidRequest("You must set `confirm` to `true` when you use `return_url`.", param="return_url")
    if confirms:
        require_return_url(request, method_types(params)[1], params)
    method = method_given(work, params)
    if method:
        check_owner(method, params.get("customer") or None)
    intent = create_setup_intent(work, params, method)
    if confirms:
        _confirm_with(work, intent, method, params)
    return intent.body


def _confirm_with(work: Work, intent: Record, method: Record | None, params: Json) -> None:
    if method is None:
        message = "You cannot confirm this SetupIntent because it's missing a payment method."
        raise InvalidRequest(message, code="setup_intent_unexpected_state", setup_intent=intent.body)
    try_setup(work, intent, method, params.get("return_url"))


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
    _confirm_with(work, intent, method, params)
    return shown(request, body)


def _cancel(work: Work, request: Request) -> Json:
    intent = visible_intent(work, request, _KIND, "intent")
    if intent.body["status"] not in CANCELABLE:
        raise unexpected_state(_KIND, intent.body, "cancel")
    reason = request.params.get("cancellation_reason")
    intent.body.update(status="canceled", cancellation_reason=reason, next_action=None)
    work.store.save(intent)
    emit(work, "setup_intent.canceled", intent.body)
    return intent.body


def _update(work: Work, request: Request) -> Json:
    intent = visible_intent(work, request, _KIND, "intent")
    body, params = intent.body, request.params
    if params.get("customer"):
        body["customer"] = require_customer(work, params["customer"]).id
    if "description" in params:
        body["description"] = params["description"] or None
    body["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    work.store.save(intent)
    return body


def _list(work: Work, request: Request) -> Json:
    wanted = request.params.get("payment_method")

    def fits(intent: Record) -> bool:
        return wanted is None or intent.body["payment_method"] == wanted

    customer_id = request.params.get("customer") or None
    return page(work, request, _KIND, "/v1/setup_intents", fits=fits, where={"customer": customer_id})


def _retrieve(work: Work, request: Request) -> Json:
    return shown(request, visible_intent(work, request, _KIND, "intent").body)


_WRITTEN: Parameters = {**EXPAND, "customer": text(), "description": text(), "metadata": metadata()}
_USAGE = choice("off_session", "on_session")
_CREATED: Parameters = {**_WRITTEN, **CONFIRMED, **METHOD_TYPES, "confirm": boolean(), "usage": _USAGE}
_REASONS = ("abandoned", "duplicate", "requested_by_customer")
_ONE = "/v1/setup_intents/{intent}"
_FILTERS: Parameters = {"customer": text(), "payment_method": text(), "created": moments()}
OPERATIONS = (
    Operation("POST", "/v1/setup_intents", _create, _CREATED),
    Operation("GET", "/v1/setup_intents", _list, {**PAGE, **_FILTERS}),
    Operation("GET", _ONE, _retrieve, {**EXPAND, "client_secret": text()}, publishable=True),
    Operation("POST", _ONE, _update, _WRITTEN),
    Operation("POST", _ONE + "/confirm", _confirm, {**EXPAND, **CONFIRMED, "client_secret": text()}, publishable=True),
    Operation("POST", _ONE + "/cancel", _cancel, {**EXPAND, "cancellation_reason": choice(*_REASONS)}),
)
