"""What the routes, consumers and jobs of subscriptions share."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from services.subscriptions.settings import SubscriptionSettings
from shared.service import Host


@dataclass(frozen=True)
class SubscriptionsContext:
    """The opened service: its pool acts as the role subscriptions.

    `one_at_a_time`: two ticks and a job have the same work; side by side in one process they would only crowd the gate.
    """

    host: Host
    pool: asyncpg.Pool
    settings: SubscriptionSettings
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def now(self) -> datetime:
        """The present, to the millisecond: what is stored is exactly what is shown."""
        now = self.host.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
