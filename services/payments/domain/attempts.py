"""The states of a charge, and how the provider's word moves it (payments.md §4.2).

`succeeded` is absorbing and only a credit writes it; nothing ever turns a later state into an earlier one, so
facts may come twice, late and in any order.
"""

from enum import StrEnum
from typing import Final

from services.payments.domain.declines import DeclineClass


class State(StrEnum):
    """Committed nothing sent · on the wire · answer lost · customer must act · bank takes time · ends."""

    CREATED = "created"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERROR = "error"
    CANCELED = "canceled"


class Kind(StrEnum):
    """Why a card is charged; also the `reason` of the credit (contract §5, transactions)."""

    TOPUP = "topup"
    AUTO_RELOAD = "auto_reload"
    AUTO_CHARGE = "auto_charge"
    SETTLE_NEGATIVE = "settle_negative"

    @property
    def is_automatic(self) -> bool:
        return self is not Kind.TOPUP


UNSENT_OR_UNCLEAR: Final = frozenset({State.CREATED, State.SUBMITTING, State.UNKNOWN})
"""What may be (re)sent with the same key."""

IN_FLIGHT: Final = UNSENT_OR_UNCLEAR | {State.PROCESSING}
"""What may still take money without the customer's doing."""

COUNTS_TOWARDS_CAP: Final = IN_FLIGHT | {State.REQUIRES_ACTION, State.SUCCEEDED}

_BY_PROVIDER_STATUS: Final = {
    "succeeded": State.SUCCEEDED,
    "requires_action": State.REQUIRES_ACTION,
    "processing": State.PROCESSING,
    "requires_capture": State.PROCESSING,
    "requires_payment_method": State.FAILED,
    "requires_confirmation": State.UNKNOWN,
    "canceled": State.CANCELED,
}


def state_after(state: State, provider_status: str) -> State:
    """Where an attempt stands once the provider has said `provider_status`.

    A status that nobody has heard of leaves an attempt that is in flight unknown: it is asked about again, and
    never taken for an answer.
    """
    if state is State.SUCCEEDED:
        return state
    told = _BY_PROVIDER_STATUS.get(provider_status, State.UNKNOWN)
    if told is State.SUCCEEDED:
        return told
    if told is State.UNKNOWN:
        return State.UNKNOWN if state in UNSENT_OR_UNCLEAR else state
    if state in (State.CANCELED, State.ERROR):
        return state
    if state is State.FAILED and told is not State.CANCELED:
        # Declined once; that the customer now confirms the same payment shows in its provider_status.
        return state
    return told


def may_resend(*, sends: int, age_seconds: float, key_life_seconds: float) -> bool:
    """Whether the same key still replays at the provider; after that one may only ask (payments.md §3)."""
    return sends == 0 or age_seconds < key_life_seconds


def is_given_up(*, age_seconds: float, patience_seconds: float) -> bool:
    """Whether an attempt the provider knows nothing of may be taken as never made."""
    return age_seconds >= patience_seconds


def counts_as_decline(kind: Kind, before: State, after: State, *, card_is_default: bool) -> bool:
    """A failed automatic charge is counted once, and only against the card that is still the default."""
    return kind.is_automatic and after is State.FAILED and before is not State.FAILED and card_is_default


def keeps_same_payment(state: State, failure_class: DeclineClass | None, *, asked_action: bool) -> bool:
    """Whether a retry of the request gets this payment again instead of a new one (contract §0, Idempotency).

    `asked_action`: the customer was once asked to confirm it, so the payment is theirs to finish.
    """
    if state is State.FAILED:
        return asked_action or failure_class is DeclineClass.AUTHENTICATION
    return state in (State.REQUIRES_ACTION, State.PROCESSING)
