"""The portal: what people see and touch, and live events for browsers (contract §3, §8). Start reading here.

It owns no business fact: its schema holds who is signed in and what operators did. Pages ask the API with the rights
of whoever is signed in; the operators' page reads through the owners' views.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.portal.api import build_router
from services.portal.context import PortalContext
from services.portal.pages import Pages
from services.portal.settings import PortalSettings
from services.portal.store import QUERIES
from services.portal.streams import Streams, account_of_message
from shared.messaging.messages import Incoming
from shared.messaging.topology import EVENTS
from shared.service import Host, Job, Running, Service

TIDY_SECONDS = 3_600
SESSIONS_KEPT = timedelta(days=1)


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    """Open the portal on a host."""
    async with host.open_pool("portal") as pool:
        settings = PortalSettings()
        streams = Streams(pool, host.clock, settings)
        context = PortalContext(host, pool, settings, streams, Pages(settings.card_origins))

        def heard(message: Incoming) -> None:
            account_id = account_of_message(message.body)
            if account_id is not None:
                streams.wake(account_id)

        async def is_ready() -> bool:
            return await pool.fetchval("SELECT true") is True

        async def tidy() -> None:
            await pool.execute(QUERIES.forget_sessions, host.clock.now() - SESSIONS_KEPT)

        overhearing = await host.broker.overhear(EVENTS, "#", heard)
        try:
            yield Running(router=build_router(context), jobs=[Job("tidy_sessions", TIDY_SECONDS, tidy)], ready=is_ready)
        finally:
            await overhearing.close()


PORTAL = Service("portal", hears=(), says=(), start=start)
