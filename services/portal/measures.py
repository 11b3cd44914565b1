"""What `/metrics` shows of the last check of the books, whichever process made it."""

from collections.abc import Sequence

import asyncpg
import orjson
from prometheus_client.core import Metric

from services.portal.store import QUERIES
from shared.measures import READ_SECONDS_MAX, Measure, gauge
from shared.postgres.reading import Reading


def measure_books_check(pool: asyncpg.Pool) -> Measure:
    reading = Reading(pool, READ_SECONDS_MAX)

    async def measure() -> Sequence[Metric]:
        check = await reading.fetchrow(QUERIES.books_check)
        checked_at = 0.0 if check is None else check["checked_at"].timestamp()
        findings = 0 if check is None else len(orjson.loads(check["findings"]))
        return [
            gauge(
                "ringfence_books_check_timestamp_seconds",
                "When the books were last checked, since the epoch; 0 when never.",
                checked_at,
            ),
            gauge("ringfence_books_findings", "What the last check of the books found wrong.", findings),
        ]

    return measure
