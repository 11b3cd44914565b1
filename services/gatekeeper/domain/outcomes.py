"""What may come of an ask. Refusals are an enum in the order of their precedence (contract §2)."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from services.gatekeeper.domain.state import Account, Hold


class Refusal(Enum):
    """A 402: its code, what ends the type of its reject event, and what a person reads. First come, first told."""

    ACCOUNT_DISABLED = ("account_disabled", "disabled", "The account is disabled.")
    SUBSCRIPTION_BLOCKED = ("subscription_blocked", "blocked", "The subscription is blocked for want of payment.")
    PAYMENT_OVERDUE = ("payment_overdue", "overdue", "A payment of the subscription is overdue.")
    NO_SUBSCRIPTION = ("no_subscription", "no_subscription", "There is a plan but no running subscription.")
    ACCOUNT_SUSPENDED = ("account_suspended", "suspended", "The account is suspended.")
    NUMBER_SUSPENDED = ("number_suspended", "number_suspended", "The phone number is suspended.")
    CONCURRENCY_LIMIT_REACHED = (
        "concurrency_limit_reached",
        "concurrency",
        "As many calls as the account may have at once are open.",
    )
    SPEND_LIMIT_REACHED = ("spend_limit_reached", "spend_limit", "The account's monthly spend limit is reached.")
    INSUFFICIENT_BALANCE = ("insufficient_balance", "insufficient", "Wallet balance below minimum to start call")

    def __init__(self, code: str, event_suffix: str, message: str) -> None:
        self.code = code
        self.event_suffix = event_suffix
        self.message = message


@dataclass(slots=True)
class Allowed:
    """The hold as it stands. `is_new` when this ask took or changed it, so that it must be written."""

    hold: Hold
    is_new: bool


@dataclass(slots=True)
class CampaignAllowed:
    """Nothing is held; the money a first minute needs is there."""

    required_micros: int
    available_micros: int


@dataclass(slots=True)
class Released:
    """`hold` is the tombstone to write, None where nothing changes."""

    status: Literal["released", "already_billed"]
    hold: Hold | None


@dataclass(slots=True)
class Refused:
    """402, with the money as it was when it was decided, and what belongs to this refusal alone."""

    refusal: Refusal
    required_micros: int
    balance_micros: int
    available_micros: int
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Failed:
    """The ask itself can't stand: 404, 409 or 400."""

    status: Literal[400, 404, 409]
    code: str
    message: str


@dataclass(slots=True)
class LockedOut:
    """503: somebody else has held the account's row for too long; nothing was decided."""


Outcome = Allowed | CampaignAllowed | Released | Refused | Failed | LockedOut

ACCOUNT_NOT_FOUND = Failed(404, "account_not_found", "There is no such account.")
CHECK_NOT_FOUND = Failed(404, "not_found", "There is no check of this id.")
WAS_RELEASED = Failed(409, "released", "This id has been released.")
ALREADY_BILLED = Failed(409, "already_billed", "Usage of this id has been billed.")
REUSED = Failed(409, "idempotency_key_reused", "This id was checked before with another body.")


def refused(refusal: Refusal, account: Account, required_micros: int) -> Refused:
    """A refusal with what the caller needs to act on it."""
    details: dict[str, Any] = {}
    if refusal is Refusal.ACCOUNT_SUSPENDED:
        details["reason"] = account.manual_suspension or account.billing_suspension
    elif refusal is Refusal.CONCURRENCY_LIMIT_REACHED:
        details["max_concurrent_calls"] = account.max_concurrent_calls
        details["open_calls"] = account.open_call_holds
    elif refusal is Refusal.SPEND_LIMIT_REACHED:
        details["monthly_spend_limit_cents"] = (account.monthly_spend_limit_micros or 0) // 10_000
    elif refusal is Refusal.INSUFFICIENT_BALANCE and account.has_plan:
        details["available_seconds"] = max(account.pool_available_ms, 0) // 1000
    return Refused(refusal, required_micros, account.balance_micros, account.available_micros, details)


def may_be_for_want_of_room(outcome: Outcome) -> bool:
    """Whether holds past their time, not swept yet, may be all that stands in the way of a call, or of a longer one."""
    if isinstance(outcome, Allowed):
        return outcome.is_new and outcome.hold.is_final
    return isinstance(outcome, Refused) and outcome.refusal in (
        Refusal.INSUFFICIENT_BALANCE,
        Refusal.SPEND_LIMIT_REACHED,
        Refusal.CONCURRENCY_LIMIT_REACHED,
    )
