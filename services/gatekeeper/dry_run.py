"""`ringfence check`: what the gate would answer, with nothing held and nothing told."""

from typing import Any

import asyncpg

from services.gatekeeper.answers import Answer
from services.gatekeeper.handlers import Settle
from services.gatekeeper.requests import read_check
from services.gatekeeper.settings import GatekeeperSettings
from shared.clock import Clock
from shared.contracts.checks_v1 import Kind
from shared.price_books import PriceBooks


async def dry_run(pool: asyncpg.Pool, clock: Clock, kind: Kind, body: Any) -> Answer:
    """Decide a check of contract §2 in a transaction that is rolled back. `pool` acts as the gatekeeper's role.

    Raises ApiError 422; a check that was made already answers as the same check again would.
    """
    ask = read_check(kind, body)
    settings = GatekeeperSettings()
    settle = Settle(PriceBooks(pool), clock, campaign_minimum_cents=settings.campaign_minimum_cents)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await settle.preview(connection, ask)
        finally:
            await transaction.rollback()
