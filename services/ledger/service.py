"""The ledger: the books of money and minutes, and the only arbiter of both. Start reading here.

It opens its pool as the role ledger, makes sure that there are prices and a platform key, then hears usage, ticks and
commands and serves its API.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.ledger.api import build_routers
from services.ledger.context import LedgerContext
from services.ledger.hears import QUEUES, consumers
from services.ledger.jobs import jobs
from services.ledger.keys import ensure_platform_key
from services.ledger.measures import measure_books
from services.ledger.prices import ensure_first_book
from services.ledger.settings import LedgerSettings
from shared.postgres.pool import transaction
from shared.price_books import PriceBooks
from shared.service import Host, Running, Service

STATEMENT_SECONDS_MAX = 10.0
"""Usage waits for so long where a network swallows our packets; none of our statements takes a tenth of it."""
SAYS = (
    "account_opened",
    "account_suspended",
    "account_reinstated",
    "balance_changed",
    "balance_low",
    "balance_depleted",
    "balance_recovered",
    "hold_expired",
    "included_minutes_low",
    "number_fee_charged",
    "number_suspended",
    "number_reinstated",
    "ops_done",
    "ops_failed",
)


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    """Open the ledger on a host."""
    async with host.open_pool("ledger", command_timeout_seconds=STATEMENT_SECONDS_MAX) as pool:
        context = LedgerContext(host=host, pool=pool, prices=PriceBooks(pool), settings=LedgerSettings())
        await _prepare(context)

        async def is_ready() -> bool:
            return await pool.fetchval("SELECT true") is True

        yield Running(
            routers=build_routers(context),
            consumers=consumers(context),
            jobs=jobs(context),
            ready=is_ready,
            measure=measure_books(context),
        )


async def _prepare(context: LedgerContext) -> None:
    """What a fresh deployment needs, and every later one finds."""
    now = context.host.clock.now()
    async with transaction(context.pool) as connection:
        await ensure_first_book(connection, now=now)
        if context.host.settings.platform_key:
            await ensure_platform_key(connection, context.host.settings.platform_key, now=now)
    await context.prices.learn()


LEDGER = Service("ledger", hears=tuple(queue.name for queue in QUEUES), says=SAYS, start=start)
