"""The gate's decision alone: from a body to the committed hold, in batches as under load, without HTTP."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from benchmarks.cpu import Meter
from benchmarks.pace import check_body
from benchmarks.stage import Stage
from services.gatekeeper.handlers import Settle
from services.gatekeeper.requests import read_check
from services.gatekeeper.settings import GatekeeperSettings
from shared import strict_json
from shared.clock import SystemClock
from shared.postgres.pool import open_pool, transaction
from shared.postgres.reading import Reading
from shared.price_books import PriceBooks


@dataclass(frozen=True)
class Checks:
    """The gate's handler on books that somebody else opened."""

    pool: asyncpg.Pool
    settle: Settle
    batch_size: int
    meter: Meter

    async def micros(self, label: str, of: Sequence[str], count: int) -> float:
        """CPU time of one check of a new call, this process and PostgreSQL together; all must be allowed."""
        bodies = [check_body(place, label, lambda place: of[place % len(of)]) for place in range(count)]
        self.meter.begin()
        for start in range(0, count, self.batch_size):
            asks = [
                read_check("call", strict_json.loads(body.encode())) for body in bodies[start : start + self.batch_size]
            ]
            async with transaction(self.pool) as connection:
                settled = await self.settle(connection, asks)
            assert all(answer.status == 200 for answer in settled.answers)
        spent = self.meter.micros(count)
        return spent["us"] + spent["PostgreSQL"]


@asynccontextmanager
async def checks(stage: Stage, url: str) -> AsyncIterator[Checks]:
    """Connected as the gatekeeper's role."""
    settings = GatekeeperSettings()
    async with await open_pool(url, "gatekeeper") as pool:
        prices = PriceBooks(Reading(pool, 10))
        await prices.learn()
        settle = Settle(prices, SystemClock(), campaign_minimum_cents=settings.campaign_minimum_cents)
        yield Checks(pool, settle, settings.gate_batch_size_max, stage.meter())
