"""The gatekeeper: may this call, message, campaign start? Start reading here.

hot (HTTP) ┐
           ├─ requests → gate (batches) → handlers → domain.decide → store → the ledger's doors
hears      ┘
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from services.gatekeeper import store
from services.gatekeeper.api import build_router
from services.gatekeeper.domain.outcomes import Refusal
from services.gatekeeper.gate import Gate, Limits
from services.gatekeeper.handlers import Settle
from services.gatekeeper.hears import QUEUE, answer_checks
from services.gatekeeper.hot import PREFIX, HotRoutes
from services.gatekeeper.reads import Reader
from services.gatekeeper.settings import GatekeeperSettings
from shared.postgres.pool import OUTAGES
from shared.postgres.reading import Reading
from shared.price_books import PriceBooks
from shared.service import Host, Job, Running, Service

KINDS = ("call", "sms", "chat", "campaign")
FORGET_SECONDS = 3600.0
READS_AT_ONCE = 3


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    """Open the gate on a host; its lanes end with the block."""
    settings = GatekeeperSettings()
    deadline_seconds = settings.gate_deadline_ms / 1000
    limits = Limits(deadline_seconds, settings.gate_batch_size_max, settings.gate_queue_length_max, settings.gate_lanes)
    async with host.open_pool(
        "gatekeeper",
        size_max=settings.gate_lanes + READS_AT_ONCE,
        command_timeout_seconds=2,
    ) as pool:
        reading = Reading(pool, deadline_seconds)
        prices = PriceBooks(reading)
        settle = Settle(prices, host.clock, campaign_minimum_cents=settings.campaign_minimum_cents)
        gate = Gate(pool, settle, host.announcer, limits)
        reader = Reader(reading, host.clock)
        hot = HotRoutes(gate, host.access, reader, deadline_seconds=deadline_seconds)

        async def is_ready() -> bool:
            return bool(await reading.fetchval("SELECT true"))

        async def forget_old_rejections() -> None:
            await store.forget_rejections(pool, host.clock.now() - timedelta(days=settings.rejections_kept_days))

        with suppress(*OUTAGES):
            await prices.learn()
        lanes = asyncio.create_task(gate.run(), name="gate")
        try:
            yield Running(
                routers=[build_router()],
                hot_routes={PREFIX: hot, "/v1/holds": hot},
                consumers=[answer_checks(gate, host.broker, host.clock)],
                jobs=[Job("forget_old_rejections", FORGET_SECONDS, forget_old_rejections)],
                ready=is_ready,
            )
        finally:
            lanes.cancel()
            with suppress(asyncio.CancelledError):
                await lanes


GATEKEEPER = Service(
    name="gatekeeper",
    hears=(QUEUE.name,),
    says=(
        *(f"{kind}_authorized" for kind in KINDS),
        *(f"{kind}_rejected_{refusal.event_suffix}" for kind in KINDS for refusal in Refusal),
    ),
    start=start,
)
SERVICE = GATEKEEPER
