"""What an error of Stripe's client means: did it happen, did it not, or can nobody say (payments.md §1, §5)."""

from typing import Any

import stripe

from services.payments.provider import Failure, Rejected, Unknown

_AMOUNT_CODES = frozenset({"amount_too_small", "amount_too_large", "parameter_invalid_integer"})
_CARD_PARAMETERS = frozenset({"payment_method", "customer"})
_CARD_IS_SPENT = "may not be used again"
"""Of a card that was detached, or used once without a customer: Stripe names neither a code nor a parameter."""


def code_of(error: stripe.StripeError) -> str | None:
    """`e.code` is None for several classes; the body has it."""
    told = getattr(error, "error", None)
    return getattr(told, "code", None) or error.code


def failure_of(error: Any) -> Failure:
    """From `e.error` of a declined charge, or from `last_payment_error` of an intent."""
    code = getattr(error, "code", None) or getattr(error, "type", None) or "card_declined"
    return Failure(
        code=code,
        decline_code=getattr(error, "decline_code", None),
        advice_code=getattr(error, "advice_code", None),
        message=getattr(error, "message", None) or "Your card was declined.",
    )


def refusal_or_unknown(error: stripe.StripeError) -> Rejected | Unknown:
    """For everything but a decline. A 4xx before anything ran is a refusal; the rest nobody can know."""
    if isinstance(error, stripe.IdempotencyError):
        return Unknown(f"idempotency_error: {error.user_message}", is_stored=True)
    if isinstance(error, stripe.InvalidRequestError):
        return _refusal(error)
    replayed = (error.headers or {}).get("idempotent-replayed") == "true"
    status = error.http_status or 0
    return Unknown(f"{type(error).__name__} {status}: {code_of(error)}", is_stored=replayed and status >= 500)


def _refusal(error: stripe.InvalidRequestError) -> Rejected | Unknown:
    code = code_of(error)
    if error.param == "amount" and code in _AMOUNT_CODES:
        return Rejected("invalid_amount", str(error.user_message))
    if error.param in _CARD_PARAMETERS or (code is None and _CARD_IS_SPENT in str(error.user_message)):
        return Rejected("payment_method_not_found", "There is no such payment method.")
    if code == "payment_intent_unexpected_state":
        return Unknown("payment_intent_unexpected_state", is_stored=True)
    return Rejected("provider_refused", f"{code}: {error.user_message}")
