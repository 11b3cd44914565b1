"""What the routes, consumers and jobs of subscriptions share."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

from services.subscriptions.settings import SubscriptionSettings
from shared.service import Host


@dataclass(frozen=True)
class SubscriptionsContext:
    """The opened service: its pool acts as the role subscriptions."""

    host: Host
    pool: asyncpg.Pool
    settings: SubscriptionSettings

    def now(self) -> datetime:
        """The present, to the millisecond: what is stored is exactly what is shown."""
        now = self.host.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
