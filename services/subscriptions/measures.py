"""What `/metrics` shows of subscriptions: whether the clock is being followed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from services.subscriptions.context import SubscriptionsContext
from shared.measures import READ_SECONDS_MAX, Measure, age_seconds, gauge
from shared.postgres.queries import Queries
from shared.postgres.reading import Reading

QUERIES: Final = Queries.load(Path(__file__).with_name("measures.sql"))


def measure_subscriptions(context: SubscriptionsContext) -> Measure:
    reading = Reading(context.pool, READ_SECONDS_MAX)

    async def measure() -> Sequence[Metric]:
        now = context.now()
        found = await reading.fetchrow(QUERIES.overdue, now)
        assert found is not None
        return [
            gauge("ringfence_subscriptions_due", "Subscriptions for which something has fallen due.", found["due"]),
            gauge(
                "ringfence_subscriptions_due_seconds",
                "For how long the first of them has been due.",
                age_seconds(found["since"], now),
            ),
        ]

    return measure
