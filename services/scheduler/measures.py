"""What `/metrics` shows of the scheduler: when each tick was last published, and how often it should be."""

from collections.abc import Mapping, Sequence

import asyncpg
from prometheus_client.core import Metric

from services.scheduler.store import QUERIES
from shared.contracts.ticks_v1 import TickName
from shared.measures import READ_SECONDS_MAX, Measure, gauge
from shared.postgres.reading import Reading


def measure_ticks(pool: asyncpg.Pool, cadence_seconds: Mapping[TickName, int]) -> Measure:
    reading = Reading(pool, READ_SECONDS_MAX)

    async def measure() -> Sequence[Metric]:
        rows = await reading.fetch(QUERIES.last_ticks)
        return [
            gauge(
                "ringfence_tick_timestamp_seconds",
                "When a tick was last published, since the epoch.",
                {row["name"]: row["last_due_at"].timestamp() for row in rows},
                "tick",
            ),
            gauge(
                "ringfence_tick_cadence_seconds",
                "How often a tick should come.",
                {name: float(seconds) for name, seconds in cadence_seconds.items()},
                "tick",
            ),
        ]

    return measure
