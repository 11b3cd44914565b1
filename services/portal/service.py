"""The portal: what people see and touch, and live events for browsers (contract §3, §8). Start reading here.

It owns no business fact: its schema holds who is signed in and what operators did. Pages ask the API with the rights
of whoever is signed in; the operators' page reads through the owners' views.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import structlog

from services.portal.api import build_routers
from services.portal.asking import TIMEOUT_SECONDS
from services.portal.context import PortalContext
from services.portal.measures import measure_books_check
from services.portal.pages import Pages
from services.portal.settings import PortalSettings
from services.portal.store import QUERIES
from services.portal.streams import Streams
from shared.announcer import read_round
from shared.contracts.news_v1 import EVENTS_PUBLISHED
from shared.messaging.messages import Incoming
from shared.messaging.topology import NEWS
from shared.service import Host, Job, Running, Service

TIDY_SECONDS = 3_600
SESSIONS_KEPT = timedelta(days=1)

log = structlog.get_logger(__name__)


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    """Open the portal on a host."""
    settings = PortalSettings()
    async with host.open_pool("portal") as pool, _api(settings) as api:
        streams = Streams(pool, host.clock, settings)
        if not settings.stripe_publishable_key:
            log.warning("cards_that_ask_are_refused", missing="RINGFENCE_STRIPE_PUBLISHABLE_KEY")
        context = PortalContext(host, pool, settings, streams, Pages(settings.card_origins), api)

        def heard(message: Incoming) -> None:
            try:
                account_ids = read_round(message.body).everyone()
            except ValueError as error:
                log.warning("news_not_understood", error=str(error))
                return
            for account_id in account_ids:
                streams.wake(account_id)

        async def is_ready() -> bool:
            return await pool.fetchval("SELECT true") is True

        async def tidy() -> None:
            await pool.execute(QUERIES.forget_sessions, host.clock.now() - SESSIONS_KEPT)

        overhearing = await host.broker.overhear(NEWS, EVENTS_PUBLISHED, heard)
        try:
            yield Running(
                routers=build_routers(context),
                jobs=[Job("tidy_sessions", TIDY_SECONDS, tidy)],
                ready=is_ready,
                measure=measure_books_check(pool),
            )
        finally:
            await overhearing.close()


@asynccontextmanager
async def _api(settings: PortalSettings) -> AsyncIterator[httpx.AsyncClient | None]:
    """Where pages ask, when this process hosts the portal alone."""
    if settings.api_url is None:
        yield None
        return
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=TIMEOUT_SECONDS) as api:
        yield api


PORTAL = Service("portal", hears=(), says=(), start=start)
