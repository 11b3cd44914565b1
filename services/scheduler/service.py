"""The scheduler: the clock that says what is due. It does nothing itself; whoever owns the work hears the tick."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
import structlog

from services.scheduler.domain.due import due_ticks
from services.scheduler.lead import PATIENCE_SECONDS, Lead
from services.scheduler.measures import measure_ticks
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store import QUERIES
from shared.clock import rfc3339
from shared.contracts.ticks_v1 import TICK_NAMES, TickName, tick_type
from shared.ids import new_id
from shared.messaging.cloudevents import cloud_event
from shared.messaging.messages import Message
from shared.messaging.topology import TICKS
from shared.postgres.pool import Connection
from shared.service import Host, Job, Running, Service

LOOK_SECONDS = 0.25
LOOKED_LATELY_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Scheduler:
    """Looks several times a second; publishes what is due, then remembers that it did."""

    def __init__(self, host: Host, pool: asyncpg.Pool, settings: SchedulerSettings) -> None:
        self._host = host
        self._pool = pool
        self._lead = Lead(pool)
        self._looked_at = asyncio.get_running_loop().time()
        self._cadence = {name: settings.cadence_seconds(name) for name in TICK_NAMES}
        self.measure = measure_ticks(pool, self._cadence)

    async def look(self) -> None:
        """Publish the due ticks if we lead. A tick that the broker did not confirm stays due."""
        leads = await self._lead.held()
        self._looked_at = asyncio.get_running_loop().time()
        if not leads:
            return
        async with self._pool.acquire(timeout=PATIENCE_SECONDS) as connection:
            await self._publish_due(connection)

    async def _publish_due(self, connection: Connection) -> None:
        now = self._host.clock.now()
        rows = await connection.fetch(QUERIES.last_ticks, timeout=PATIENCE_SECONDS)
        last = {row["name"]: row["last_due_at"] for row in rows}
        for name in due_ticks(now=now, last=last, cadence_seconds=self._cadence):
            await self._host.broker.publish(_tick(name, now))
            await connection.execute(QUERIES.record_tick, name, now, timeout=PATIENCE_SECONDS)

    async def is_ready(self) -> bool:
        """Whether it has been able to look lately, as the leader or beside one."""
        return asyncio.get_running_loop().time() - self._looked_at < LOOKED_LATELY_SECONDS

    async def stop(self) -> None:
        await self._lead.give_up()


def _tick(name: TickName, now: datetime) -> Message:
    body = cloud_event(id=new_id("tick", now), type=tick_type(name), time=now, data={"due_at": rfc3339(now)})
    return Message(TICKS, tick_type(name), body)


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    async with host.open_pool("scheduler", size_max=2) as pool:
        scheduler = Scheduler(host, pool, SchedulerSettings())
        try:
            yield Running(
                jobs=[Job("look_what_is_due", LOOK_SECONDS, scheduler.look)],
                ready=scheduler.is_ready,
                measure=scheduler.measure,
            )
        finally:
            await scheduler.stop()


SCHEDULER = Service(name="scheduler", hears=(), says=tuple(map(tick_type, TICK_NAMES)), start=start)
