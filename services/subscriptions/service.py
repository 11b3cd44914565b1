"""Subscriptions: an agency bills its clients by plan and pack (contract §7). Start reading here.

Its own schema holds what was agreed and what was asked for; minutes and access are in the ledger's books and change
through the ledger's doors, in the same commit.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.subscriptions.api import build_routers
from services.subscriptions.clockwork import follow_the_clock
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.hears import QUEUES, consumers
from services.subscriptions.measures import measure_subscriptions
from services.subscriptions.settings import SubscriptionSettings
from services.subscriptions.stories import QUERIES
from shared.service import Host, Job, Running, Service

TIDY_SECONDS = 3_600
REFUSALS_KEPT = timedelta(hours=24)
SAYS = (
    "subscription_started",
    "subscription_renewed",
    "subscription_past_due",
    "subscription_blocked",
    "subscription_canceled",
    "payment_request_created",
    "payment_request_updated",
    "campaigns_paused",
    "campaigns_resumed",
)


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    """Open subscriptions on a host."""
    async with host.open_pool("subscriptions") as pool:
        context = SubscriptionsContext(host=host, pool=pool, settings=SubscriptionSettings())

        async def is_ready() -> bool:
            return await pool.fetchval("SELECT true") is True

        async def watch() -> None:
            await follow_the_clock(context)

        async def tidy() -> None:
            await pool.execute(QUERIES.forget_old_idempotency_keys, context.now() - REFUSALS_KEPT)

        yield Running(
            routers=build_routers(context),
            consumers=consumers(context),
            jobs=[
                Job("follow_subscriptions", context.settings.subscriptions_watch_seconds, watch),
                Job("tidy_subscriptions", TIDY_SECONDS, tidy),
            ],
            ready=is_ready,
            measure=measure_subscriptions(context),
        )


SUBSCRIPTIONS = Service("subscriptions", hears=tuple(queue.name for queue in QUEUES), says=SAYS, start=start)
