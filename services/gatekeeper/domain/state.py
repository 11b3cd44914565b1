"""What the books say under their lock; a batch moves it forward as it decides, so later asks see earlier ones."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(slots=True)
class Account:
    """Terms and state of an account. Money in micros, pools in milliseconds.

    `pool_available_ms` is what is left of included minutes and minute wallet after open holds, and matters only with
    `has_plan` (a subscription runs).
    """

    account_id: str
    disabled: bool = False
    access_refusal: str | None = None
    manual_suspension: str | None = None
    billing_suspension: str | None = None
    inbound_policy: str = "reject"
    credit_limit_micros: int = 0
    balance_micros: int = 0
    held_micros: int = 0
    open_call_holds: int = 0
    max_concurrent_calls: int | None = None
    monthly_spend_limit_micros: int | None = None
    month_spend_micros: int = 0
    prices_version: int = 0
    has_plan: bool = False
    plan_rate_micros: int | None = None
    chat_ms: int | None = None
    pool_available_ms: int = 0

    @property
    def available_micros(self) -> int:
        return self.balance_micros + self.credit_limit_micros - self.held_micros

    @property
    def spend_room_micros(self) -> int | None:
        """What may still be spent or held this month; None without a limit."""
        limit = self.monthly_spend_limit_micros
        return None if limit is None else limit - self.month_spend_micros - self.held_micros

    def apply(self, *, kind: str, before: "Hold | None", after: "Hold") -> None:
        """Move the account from one state of a hold to the next."""
        for hold, sign in ((before, -1), (after, 1)):
            if hold is not None and hold.state == "open":
                self.held_micros += sign * hold.amount_micros
                self.pool_available_ms -= sign * hold.pool_ms
                self.open_call_holds += sign * (kind == "call")


@dataclass(slots=True)
class Hold:
    """A hold or its tombstone. `granted` counts seconds, segments or messages."""

    hold_id: str
    state: str
    amount_micros: int
    pool_ms: int
    granted: int
    is_final: bool
    rate_usd: str | None
    request: dict[str, Any] | str | None
    created_at: datetime
    expires_at: datetime
    transfer_id: int | None = None

    @property
    def lasts_seconds(self) -> int:
        """From its creation to its expiry; both have the same fraction of a second."""
        return round((self.expires_at - self.created_at).total_seconds())

    def is_open_at(self, now: datetime) -> bool:
        """Open and not past its time, whether or not the sweep has been here."""
        return self.state == "open" and self.expires_at > now


@dataclass(slots=True)
class Seen:
    """What the books say about one ask. `is_billed`: usage of this id has been charged, with a hold or without."""

    account: Account | None
    hold: Hold | None = None
    is_billed: bool = False
    number_is_suspended: bool = False
