"""What a decline means: never again, ask the customer, or try later (contract §5; classes from payments.md §4.4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class DeclineClass(StrEnum):
    HARD = "hard"
    AUTHENTICATION = "authentication"
    SOFT = "soft"


AUTHENTICATION_REQUIRED: Final = "authentication_required"

_HARD: Final = frozenset(
    {
        "lost_card",
        "stolen_card",
        "pickup_card",
        "restricted_card",
        "fraudulent",
        "merchant_blacklist",
        "invalid_account",
        "security_violation",
        "stop_payment_order",
        "card_not_supported",
        "currency_not_supported",
        "transaction_not_allowed",
        "expired_card",
        "incorrect_number",
        "invalid_number",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "confirm_card_data",
    }
)
_HARD_ADVICE: Final = frozenset({"do_not_try_again", "confirm_card_data"})
_NOT_FOR_THE_CUSTOMER: Final = frozenset(
    {"lost_card", "stolen_card", "pickup_card", "fraudulent", "merchant_blacklist", "security_violation"}
)

BACK_OFF: Final = (timedelta(hours=1), timedelta(hours=6), timedelta(hours=24), timedelta(hours=72))
"""What passes after the first, second, third and fourth decline; the fifth ends it (contract §5, Auto-reload)."""


def classify(*, code: str, decline_code: str | None, advice_code: str | None) -> DeclineClass:
    """The provider's advice first, then the bank's reason; what nobody knows is soft."""
    if AUTHENTICATION_REQUIRED in (code, decline_code):
        return DeclineClass.AUTHENTICATION
    if advice_code in _HARD_ADVICE or code in _HARD or decline_code in _HARD:
        return DeclineClass.HARD
    return DeclineClass.SOFT


def shown_decline_code(code: str, decline_code: str | None) -> str:
    """The reason as the customer may see it: a thief is not told that the card is known as stolen."""
    reason = decline_code or code
    return "generic_decline" if reason in _NOT_FOR_THE_CUSTOMER else reason


@dataclass(frozen=True, slots=True)
class AfterDecline:
    """`next_try_at` is None when automatic charges have stopped, then `stopped` says why."""

    declines: int
    next_try_at: datetime | None
    stopped: str | None


def after_decline(*, declines_before: int, kind: DeclineClass, now: datetime) -> AfterDecline:
    """Back off 1 h, 6 h, 24 h, 72 h; stop at the fifth, at a hard decline and when authentication is asked for."""
    declines = declines_before + 1
    if kind is DeclineClass.AUTHENTICATION:
        return AfterDecline(declines, None, "authentication_required")
    if kind is DeclineClass.HARD:
        return AfterDecline(declines, None, "hard_decline")
    if declines > len(BACK_OFF):
        return AfterDecline(declines, None, "declines")
    return AfterDecline(declines, now + BACK_OFF[declines - 1], None)
