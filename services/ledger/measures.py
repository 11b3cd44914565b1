"""What `/metrics` shows of the books: what is unfinished, and since when."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric

from services.ledger.context import LedgerContext
from shared.measures import READ_SECONDS_MAX, Measure, age_seconds, gauge
from shared.postgres.queries import Queries
from shared.postgres.reading import Reading

QUERIES: Final = Queries.load(Path(__file__).with_name("measures.sql"))


def measure_books(context: LedgerContext) -> Measure:
    reading = Reading(context.pool, READ_SECONDS_MAX)

    async def measure() -> Sequence[Metric]:
        now = context.host.clock.now()
        found = await reading.fetchrow(QUERIES.unfinished, now)
        assert found is not None
        return [
            gauge("ringfence_outbox_events", "Outward events the broker has not confirmed.", found["outbox"]),
            gauge(
                "ringfence_outbox_oldest_seconds",
                "Age of the oldest of them (of the first 5,000).",
                age_seconds(found["outbox_since"], now),
            ),
            gauge("ringfence_news_waiting", "Changes of balances still to be announced.", found["news"]),
            gauge("ringfence_news_oldest_seconds", "Age of the oldest of them.", age_seconds(found["news_since"], now)),
            gauge(
                "ringfence_usage_waiting",
                "Usage in the books, still without a price: its period is not open yet, or its original is to come.",
                found["waiting"],
            ),
            gauge(
                "ringfence_usage_waiting_oldest_seconds",
                "Since the oldest of them was received.",
                age_seconds(found["waiting_since"], now),
            ),
            gauge("ringfence_holds_open", "Open holds.", found["open_holds"]),
            gauge(
                "ringfence_holds_expired_seconds",
                "For how long the oldest open hold has been past its time.",
                age_seconds(found["expired_since"], now),
            ),
            gauge(
                "ringfence_holds_orphaned",
                "Holds that expired in the last 24 hours and whose usage has not come.",
                found["orphaned"],
            ),
        ]

    return measure
