"""Stripe's test cards and what each does (docs.stripe.com/testing). Any other number is refused."""

from dataclasses import dataclass
from typing import Literal

Authentication = Literal["never", "always", "until_set_up", "on_session"]
Dispute = Literal["fraudulent", "inquiry"]
RefundOutcome = Literal["succeeded", "failed", "pending"]
Advice = Literal["try_again_later", "do_not_try_again", "confirm_card_data"]


@dataclass(frozen=True)
class Decline:
    """`code` is Stripe's error code, `decline_code` the bank's reason where Stripe tells one."""

    code: str
    message: str
    decline_code: str | None = None
    advice_code: Advice | None = None
    param: str | None = None
    blocked_by_stripe: bool = False


@dataclass(frozen=True)
class Card:
    """A test card: `name` as in `pm_card_<name>`. `attaches` is false for cards declined when they are saved."""

    name: str
    number: str
    brand: str = "visa"
    funding: str = "credit"
    decline: Decline | None = None
    attaches: bool = True
    authentication: Authentication = "never"
    dispute: Dispute | None = None
    refund: RefundOutcome = "succeeded"

    def needs_authentication(self, *, off_session: bool, set_up: bool) -> bool:
        if not off_session:
            return self.authentication != "never"
        return self.authentication == "always" or (self.authentication == "until_set_up" and not set_up)


def _declined(decline_code: str, advice_code: Advice, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", message, decline_code, advice_code)


GENERIC = _declined("generic_decline", "try_again_later")
INSUFFICIENT = _declined("insufficient_funds", "try_again_later", "Your card has insufficient funds.")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
)
TEST_MODE = Decline(
    "card_declined",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
    "test_mode_live_card",
)
_EXPIRED = Decline("expired_card", "Your card has expired.", advice_code="do_not_try_again", param="exp_month")
_CVC = Decline("incorrect_cvc", "Your card's security code is incorrect.", advice_code="confirm_card_data", param="cvc")
_PROCESSING = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    advice_code="try_again_later",
)
_VELOCITY = _declined(
    "card_velocity_exceeded",
    "try_again_later",
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
)
_RADAR = Decline("card_declined", "Your card was declined.", "fraudulent", "do_not_try_again", blocked_by_stripe=True)


def _refused(name: str, number: str, decline: Decline) -> Card:
    return Card(name, number, decline=decline, attaches=False)


_ALL = (
    Card("visa", "4242424242424242"),
    Card("visa_debit", "4000056655665556", funding="debit"),
    Card("mastercard", "5555555555554444", "mastercard"),
    Card("mastercard_debit", "5200828282828210", "mastercard", "debit"),
    Card("amex", "378282246310005", "amex"),
    Card("discover", "6011111111111117", "discover"),
    _refused("chargeDeclined", "4000000000000002", GENERIC),
    _refused("chargeDeclinedInsufficientFunds", "4000000000009995", INSUFFICIENT),
    _refused("chargeDeclinedLostCard", "4000000000009987", _declined("lost_card", "do_not_try_again")),
    _refused("chargeDeclinedStolenCard", "4000000000009979", _declined("stolen_card", "do_not_try_again")),
    _refused("chargeDeclinedExpiredCard", "4000000000000069", _EXPIRED),
    _refused("chargeDeclinedIncorrectCvc", "4000000000000127", _CVC),
    _refused("chargeDeclinedProcessingError", "4000000000000119", _PROCESSING),
    _refused("chargeDeclinedVelocityLimitExceeded", "4000000000006975", _VELOCITY),
    _refused("chargeDeclinedFraudulent", "4100000000000019", _RADAR),
    Card("chargeCustomerFail", "4000000000000341", decline=GENERIC),
    Card("authenticationRequired", "4000002760003184", authentication="always"),
    Card("authenticationRequiredOnSetup", "4000002500003155", authentication="until_set_up"),
    Card("authenticationRequiredSetupForOffSession", "4000003800000446", authentication="on_session"),
    Card(
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        decline=INSUFFICIENT,
        authentication="until_set_up",
    ),
    Card("createDispute", "4000000000000259", dispute="fraudulent"),
    Card("createDisputeInquiry", "4000000000001976", dispute="inquiry"),
    Card("refundFail", "4000000000005126", refund="failed"),
    Card("pendingRefund", "4000000000007726", refund="pending"),
)
CARDS = {card.name: card for card in _ALL}
_BY_NUMBER = {card.number: card for card in _ALL}
# Stripe's tokens of declining Visa cards carry the brand: pm_card_visa_chargeDeclined.
_ALIASES = {f"visa_{card.name}": card for card in _ALL if card.name.startswith("chargeDeclined")}


def card_by_token(token: str) -> Card | None:
    """`pm_card_visa`, `tok_visa`, `pm_card_visa_chargeDeclined`; None for what is no test token."""
    for prefix in ("pm_card_", "tok_"):
        if token.startswith(prefix):
            name = token.removeprefix(prefix)
            return CARDS.get(name) or _ALIASES.get(name)
    return None


def card_by_number(number: str) -> Card | None:
    return _BY_NUMBER.get(number)


def is_card_number(number: str) -> bool:
    """The Luhn check: false for a number with a typing error."""
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19):
        return False
    digits = [int(digit) for digit in reversed(number)]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
