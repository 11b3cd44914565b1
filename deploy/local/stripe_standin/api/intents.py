"""What payment intents and setup intents have in common: parameters, whose card it is, who may see them."""

from typing import Any

from deploy.local.stripe_standin.errors import InvalidRequest, Json, KeyRefused
from deploy.local.stripe_standin.parameters import Parameters, boolean, choice, group, text, texts
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Request, Work

from .lookups import not_the_customers
from .payment_methods import require_unspent, resolve_method

AUTOMATIC: Parameters = {"enabled": boolean().required(), "allow_redirects": choice("always", "never")}
CONFIRMED: Parameters = {
    "mandate_data": group(
        {
            "customer_acceptance": group(
                {"type": choice("online", "offline"), "online": group({"ip_address": text(), "user_agent": text()})}
            )
        }
    ),
    "payment_method": text(),
    "payment_method_options": group(
        {"card": group({"request_three_d_secure": choice("any", "automatic", "challenge")})}
    ),
    "return_url": text(),
    "use_stripe_sdk": boolean(),
}
METHOD_TYPES: Parameters = {"automatic_payment_methods": group(AUTOMATIC), "payment_method_types": texts()}
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_REDIRECTS_SINCE = "2023-08-16"


def visible_intent(work: Work, request: Request, kind: str, id_name: str) -> Record:
    """The intent of the path; a browser's key needs its client secret."""
    intent = work.store.require(kind, request.ids[id_name], "intent")
    given = request.params.get("client_secret")
    if (request.publishable or given) and given != intent.body["client_secret"]:
        raise KeyRefused(
            f"The client_secret provided does not match any associated {kind} on this account.",
            status=404 if request.publishable else 400,
            code="resource_missing",
            param="client_secret",
        )
    return intent


def shown(request: Request, body: Json) -> Json:
    """A browser's key sees less: nothing of the customer or of metadata."""
    if not request.publishable:
        return body
    return {name: value for name, value in body.items() if name not in ("customer", "metadata", "latest_charge")}


def method_given(work: Work, params: Json) -> Record | None:
    chosen = params.get("payment_method")
    return resolve_method(work, chosen) if chosen else None


def check_owner(method: Record, customer_id: str | None) -> None:
    """A card of a customer serves that customer only; one that is nobody's serves once."""
    owner = method.body["customer"]
    if owner is None:
        require_unspent(method)
    elif customer_id is None:
        raise InvalidRequest(
            f"The PaymentMethod {method.id} belongs to a customer. Please include the customer in the `customer` "
            "parameter.",
            param="payment_method",
        )
    elif owner != customer_id:
        raise not_the_customers(method.id, "payment_method")


def method_types(params: Json) -> tuple[list[str], Json | None]:
    """`payment_method_types` and `automatic_payment_methods` as the intent will show them."""
    types = params.get("payment_method_types")
    automatic = params.get("automatic_payment_methods")
    if types and automatic and automatic["enabled"]:
        raise InvalidRequest(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
            param="automatic_payment_methods",
        )
    if types and types != ["card"]:
        raise InvalidRequest("The stand-in knows payment method type card only.", param="payment_method_types")
    if types or (automatic and not automatic["enabled"]):
        return ["card"], None
    return ["card"], {"allow_redirects": (automatic or {}).get("allow_redirects", "always"), "enabled": True}


def require_return_url(request: Request, automatic: Json | None, given: dict[str, Any]) -> None:
    """Since 2023-08-16 redirects are on by default, and confirming then needs a `return_url`."""
    if (request.version or "") < _REDIRECTS_SINCE or given.get("return_url"):
        return
    if automatic and automatic["allow_redirects"] == "always":
        raise InvalidRequest(
            "This intent is configured to accept payment methods enabled in your Dashboard. Because some of these "
            "payment methods might redirect your customer off of your page, you must provide a `return_url`. If you "
            "don't want to accept redirect-based payment methods and don't want to provide a `return_url`, set "
            "`automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to "
            "`never` when creating Setup Intents and Payment Intents.",
            param="return_url",
        )


def unexpected_state(kind: str, body: Json, verb: str) -> InvalidRequest:
    """400 `payment_intent_unexpected_state`, with the intent as it is."""
    names = {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}
    message = f"You cannot {verb} this {names[kind]} because it has a status of {body['status']}."
    refusal = InvalidRequest(message, code=f"{kind}_unexpected_state")
    refusal.error[kind] = body
    return refusal
