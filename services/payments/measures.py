"""What `/metrics` shows of payments: charges and webhooks that are unfinished, the brake, what ops should look at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg
from prometheus_client.core import Metric

from services.payments.context import Context
from shared.measures import READ_SECONDS_MAX, Measure, age_seconds, gauge
from shared.postgres.queries import Queries
from shared.postgres.reading import Reading

QUERIES: Final = Queries.load(Path(__file__).with_name("measures.sql"))
OPEN_STATES: Final = ("created", "submitting", "unknown", "requires_action", "processing")


def measure_payments(context: Context) -> Measure:
    reading = Reading(context.pool, READ_SECONDS_MAX)

    async def measure() -> Sequence[Metric]:
        now = context.now()
        charges = {row["state"]: row for row in await reading.fetch(QUERIES.charges)}
        found = await reading.fetchrow(QUERIES.unfinished, now)
        alerts = await reading.fetch(QUERIES.open_alerts)
        assert found is not None
        return [
            gauge(
                "ringfence_charges",
                "Charges not at their end, by state; the outcome of an `unknown` one is being asked for.",
                {state: charges[state]["charges"] if state in charges else 0 for state in OPEN_STATES},
                "state",
            ),
            gauge(
                "ringfence_charges_oldest_seconds",
                "Age of the oldest charge in a state.",
                {state: age_seconds(charges[state]["since"], now) if state in charges else 0 for state in OPEN_STATES},
                "state",
            ),
            *_inbox(found, context),
            gauge(
                "ringfence_payments_brake_held",
                "1 while the brake stops automatic charges.",
                float(found["is_held"]),
            ),
            gauge(
                "ringfence_payments_alerts_open",
                "Things about payments a person should look at, until they are cleared.",
                {row["kind"]: row["alerts"] for row in alerts},
                "kind",
            ),
        ]

    return measure


def _inbox(found: asyncpg.Record, context: Context) -> list[Metric]:
    now = context.now()
    return [
        gauge("ringfence_refunds_open", "Refunds to cards not at their end.", found["refunds"]),
        gauge("ringfence_refunds_oldest_seconds", "Age of the oldest.", age_seconds(found["refunds_since"], now)),
        gauge("ringfence_webhooks_waiting", "What the provider told and is not worked off.", found["inbox"]),
        gauge(
            "ringfence_webhooks_oldest_seconds",
            "Since the oldest of it was received.",
            age_seconds(found["inbox_since"], now),
        ),
        gauge(
            "ringfence_provider_events_age_seconds",
            "Since the instant up to which the provider's own list of events has been read.",
            age_seconds(found["read_until"], now),
        ),
    ]
