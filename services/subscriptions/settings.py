"""Settings of subscriptions."""

from pydantic import Field

from shared.settings import ServiceSettings


class SubscriptionSettings(ServiceSettings):
    """`low_balance_cents` and `auto_charge` are what every new account gets, a client's too (contract §3, §5).

    `pack_due_days` is how long the price of a pack may stay unpaid where no plan says so.
    `renewal_batch_size` subscriptions are renewed in one commit: while it runs, the gate waits for these accounts (some
    15 ms on a quiet processor). `renewals_per_second` is the pace: 10,000 that fall due in one minute are done in some
    35 s, and between two commits the processors are the gate's. Where a commit takes longer than its share, the next
    one comes after `renewal_pause_ratio` × that time. Measured by `benchmarks/renewals.py`.
    `subscriptions_watch_seconds`: how often to look for what has fallen due, besides the ticks. A call that ends just
    after its period waits for the next period to open.
    """

    low_balance_cents: int = Field(default=200, ge=0, le=10**9)
    auto_charge: bool = False
    pack_due_days: int = Field(default=7, ge=0, le=365)
    renewal_batch_size: int = Field(default=25, ge=1, le=1_000)
    renewals_per_second: int = Field(default=300, ge=1, le=1_000_000)
    renewal_pause_ratio: float = Field(default=0.5, ge=0, le=100)
    subscriptions_watch_seconds: float = Field(default=1, gt=0, le=3_600)
