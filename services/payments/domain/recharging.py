"""Whether to charge a card by ourselves, how much, and what follows when that can't be done (contract §5)."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from services.payments.domain.attempts import Kind
from shared.money import MICROS_PER_CENT

CARD_MINIMUM_CENTS: Final = 50
"""No card network takes less than half a dollar."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as the books have it, in micros; `dispute_debt` is the part of a debt that a dispute made."""

    balance_micros: int
    credit_limit_micros: int
    auto_charge: bool
    settle_negative: bool
    dispute_debt_micros: int = 0

    @property
    def is_overdrawn(self) -> bool:
        """Below zero with the credit limit counted: what suspends when it can't be charged."""
        return self.balance_micros + self.credit_limit_micros < 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The customer's auto-reload, and where automatic charges stand. Amounts in cents; None: no limit."""

    has_card: bool
    reload_enabled: bool
    minimum_cents: int
    amount_cents: int
    monthly_limit_cents: int | None
    month_spend_cents: int
    stopped: str | None
    next_try_at: datetime | None
    declines: int
    is_in_flight: bool
    settles_until_charged: bool = False


@dataclass(frozen=True, slots=True)
class AutoCharge:
    """[S]: one charge of max(amount, threshold − balance) below the threshold."""

    threshold_cents: int
    amount_cents: int


class WhyNot(StrEnum):
    """Why no card is charged now, in the order in which it is found out."""

    NOT_DUE = "not_due"
    NO_CARD = "no_card"
    IN_FLIGHT = "in_flight"
    STOPPED = "stopped"
    BACKING_OFF = "backing_off"
    CAPPED = "capped"


@dataclass(frozen=True, slots=True)
class Charge:
    """`is_beside_cap`: auto-reload would have charged, but its month's cap is reached; what is owed is settled."""

    kind: Kind
    amount_cents: int
    is_beside_cap: bool = False


def cents_to_reach(target_cents: int, balance_micros: int) -> int:
    """Whole cents that lift the balance to the target, rounded up: one charge closes the gap."""
    return -((balance_micros - target_cents * MICROS_PER_CENT) // MICROS_PER_CENT)


def owed_cents(standing: Standing) -> int:
    """What usage and fees took below zero, rounded up; never what a dispute took."""
    owed_micros = -standing.balance_micros - standing.dispute_debt_micros
    return max(0, -(-owed_micros // MICROS_PER_CENT))


def due_charge(standing: Standing, policy: Policy, auto_charge: AutoCharge) -> Charge | None:
    """The charge the account's rules ask for, whether or not it can be made now.

    Auto-reload, while it is on, stands alone; then the postpaid charge; what is owed is settled where neither acts.
    """
    balance = standing.balance_micros
    if policy.reload_enabled:
        if balance >= policy.minimum_cents * MICROS_PER_CENT:
            return None
        amount = max(policy.amount_cents, cents_to_reach(policy.minimum_cents, balance))
        return Charge(Kind.AUTO_RELOAD, max(CARD_MINIMUM_CENTS, amount))
    if standing.auto_charge:
        if balance >= auto_charge.threshold_cents * MICROS_PER_CENT:
            return None
        amount = max(auto_charge.amount_cents, cents_to_reach(auto_charge.threshold_cents, balance))
        return Charge(Kind.AUTO_CHARGE, max(CARD_MINIMUM_CENTS, amount))
    return _settlement(standing, policy)


def _settlement(standing: Standing, policy: Policy) -> Charge | None:
    owed = owed_cents(standing)
    if owed == 0 or not (standing.settle_negative or policy.settles_until_charged):
        return None
    return Charge(Kind.SETTLE_NEGATIVE, max(CARD_MINIMUM_CENTS, owed))


def is_capped(decision: Charge | WhyNot) -> bool:
    """Whether auto-reload rests because of its monthly cap, whatever else is charged."""
    return decision is WhyNot.CAPPED or (isinstance(decision, Charge) and decision.is_beside_cap)


def decide(
    standing: Standing, policy: Policy, auto_charge: AutoCharge, *, card_limit_cents: int, now: datetime
) -> Charge | WhyNot:
    """The one decision of every trigger, so that triggers may come twice, late and together.

    `card_limit_cents` is the largest single charge; a gap beyond it is closed by more than one. The cap is on
    auto-reload alone: what is owed is settled beside it. A card that was declined rests from every kind of charge.
    """
    due = due_charge(standing, policy, auto_charge)
    if due is None:
        return WhyNot.NOT_DUE
    if not policy.has_card:
        return WhyNot.NO_CARD
    if policy.is_in_flight:
        return WhyNot.IN_FLIGHT
    if policy.stopped is not None:
        return WhyNot.STOPPED
    if policy.next_try_at is not None and now < policy.next_try_at:
        return WhyNot.BACKING_OFF
    charge = Charge(due.kind, min(due.amount_cents, card_limit_cents))
    limit = policy.monthly_limit_cents if charge.kind is Kind.AUTO_RELOAD else None
    # Never a partial charge: it would not lift the balance over the minimum and would come again at once.
    if limit is not None and policy.month_spend_cents + charge.amount_cents > limit:
        owed = _settlement(standing, policy)
        if owed is None:
            return WhyNot.CAPPED
        return Charge(owed.kind, min(owed.amount_cents, card_limit_cents), is_beside_cap=True)
    return charge


def suspension_reason(
    standing: Standing, decision: Charge | WhyNot, *, last_charge_failed: bool, has_card: bool, present: str | None
) -> str | None:
    """The billing suspension an account should have: a reason, or None for none.

    Nothing overdrawn is suspended. While a charge is under way or about to be tried, what is stays.
    """
    if not standing.is_overdrawn:
        return None
    if isinstance(decision, Charge) or decision is WhyNot.IN_FLIGHT:
        return present
    return "payment_failed" if last_charge_failed and has_card else "balance_depleted"


def cap_month(now: datetime) -> date:
    """The calendar month (UTC) whose cap a charge begun at `now` counts towards."""
    return date(now.year, now.month, 1)


def brake_limit(accounts_with_card: int, *, accounts_min: int, percent: int) -> int:
    """How many accounts may cross their threshold within the window: max(20, 10 %), rounded down."""
    return max(accounts_min, accounts_with_card * percent // 100)
