"""The low-balance notice [S] (contract §5)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from shared.money import MICROS_PER_CENT

LOW_CENTS: Final = 200
SIGNAL_LIFE: Final = timedelta(hours=24)

REFUSAL_CODES: Final = (
    "account_disabled",
    "subscription_blocked",
    "payment_overdue",
    "no_subscription",
    "account_suspended",
    "number_suspended",
    "concurrency_limit_reached",
    "spend_limit_reached",
    "insufficient_balance",
)
"""The refusals of the gate: a failed call that names one was blocked (contract §2, §3)."""


@dataclass(frozen=True, slots=True)
class Notice:
    show: bool
    variant: str | None = None
    message: str | None = None
    label: str | None = None
    url: str | None = None

    def json(self) -> dict[str, Any]:
        cta = {"label": self.label, "url": self.url} if self.show else None
        return {"show": self.show, "variant": self.variant, "message": self.message, "cta": cta}


NOTHING: Final = Notice(show=False)
NO_CARD: Final = Notice(
    show=True,
    variant="no_card",
    message="Add a payment method to keep your number active.",
    label="Add payment method",
    url="/billing/setup-checkout",
)
CHARGE_FAILED: Final = Notice(
    show=True,
    variant="charge_failed",
    message="We couldn’t charge your card.",
    label="Go to billing",
    url="/billing",
)


def notice(*, balance_micros: int, default_since: datetime | None, blocked_at: datetime | None) -> Notice:
    """Shown below $2.00 when there is no card, or usage was blocked after the present card was set.

    `default_since` None: no card on file. `blocked_at`: the newest signal of the last 24 h.
    """
    if balance_micros >= LOW_CENTS * MICROS_PER_CENT:
        return NOTHING
    if default_since is None:
        return NO_CARD
    if blocked_at is not None and blocked_at > default_since:
        return CHARGE_FAILED
    return NOTHING
