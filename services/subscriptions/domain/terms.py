"""What a plan promises, as it stood when a subscription started. Pure."""

from dataclasses import dataclass
from typing import Final

from services.subscriptions.domain.rhythm import Rhythm
from shared.money import MICROS_PER_CENT, micros_of_price

MS_PER_MINUTE: Final = 60_000
_MS_MICROS_PER_CENT: Final = MS_PER_MINUTE * MICROS_PER_CENT


@dataclass(frozen=True, slots=True)
class Terms:
    """A plan's terms. At least one of `recurring_fee_cents` and `minute_rate_usd` (a decimal string) is there.

    `currency` names what both are in; no exchange rate is ever applied.
    """

    plan_id: str
    name: str
    currency: str
    recurring_fee_cents: int | None
    minute_rate_usd: str | None
    included_minutes: int
    rhythm: Rhythm
    due_days: int
    grace_days: int
    packs_allowed: bool
    client_may_start: bool
    chats_per_minute: int | None

    @property
    def rate_micros_per_minute(self) -> int | None:
        return None if self.minute_rate_usd is None else micros_of_price(self.minute_rate_usd)

    @property
    def included_ms(self) -> int:
        return self.included_minutes * MS_PER_MINUTE

    @property
    def chat_ms(self) -> int | None:
        """What a chat takes from the pools, rounded down to the millisecond; None when chats are paid in money."""
        return None if self.chats_per_minute is None else MS_PER_MINUTE // self.chats_per_minute


def usage_cents(billable_ms: int, rate_micros_per_minute: int | None) -> int:
    """Billable time × the rate, rounded half-up to the cent once (contract §7, Usage). No rate costs nothing."""
    assert billable_ms >= 0
    if rate_micros_per_minute is None:
        return 0
    return (2 * billable_ms * rate_micros_per_minute + _MS_MICROS_PER_CENT) // (2 * _MS_MICROS_PER_CENT)
