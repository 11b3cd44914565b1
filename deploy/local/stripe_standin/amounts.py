"""Stripe's limits on an amount (docs.stripe.com/currencies)."""

from .errors import InvalidRequest

MINIMUM_BY_CURRENCY = {"usd": 50, "eur": 50, "gbp": 30, "cad": 50, "aud": 50, "chf": 50}
MAXIMUM = 99_999_999


def check_amount(amount: int, currency: str) -> None:
    """Raises InvalidRequest with Stripe's code: not positive, too small, too large."""
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise InvalidRequest(message, code="parameter_invalid_integer", param="amount")
    if amount < MINIMUM_BY_CURRENCY[currency]:
        message = f"Amount must be at least ${MINIMUM_BY_CURRENCY[currency] / 100:.2f} {currency}"
        raise InvalidRequest(message, code="amount_too_small", param="amount")
    if amount > MAXIMUM:
        raise InvalidRequest("Amount must be no more than $999,999.99", code="amount_too_large", param="amount")


def check_currency(currency: str) -> str:
    lowered = currency.lower()
    if lowered not in MINIMUM_BY_CURRENCY:
        known = ", ".join(MINIMUM_BY_CURRENCY)
        raise InvalidRequest(f"Invalid currency: {currency[:10]}. The stand-in supports: {known}", param="currency")
    return lowered
