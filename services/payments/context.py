"""What the routes, consumers and jobs of payments share."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import structlog

from services.payments.domain.recharging import AutoCharge
from services.payments.provider import Provider
from services.payments.settings import PaymentsSettings
from shared.announcer import DELAYED_BY
from shared.service import Host
from shared.tasks import look_at

DRIVEN_AT_ONCE_MAX = 16

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass
class Context:
    """The opened service: its pool acts as the role payments."""

    host: Host
    pool: asyncpg.Pool
    provider: Provider
    settings: PaymentsSettings
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DRIVEN_AT_ONCE_MAX))

    def now(self) -> datetime:
        return self.host.clock.now()

    def tell(self, *account_ids: str) -> None:
        """Something about these accounts was committed."""
        self.host.announcer.tell(account_ids)

    @property
    def auto_charge(self) -> AutoCharge:
        return AutoCharge(self.settings.auto_charge_threshold_cents, self.settings.auto_charge_amount_cents)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Work that no request waits for. What a crash or an outage leaves of it is found by the sweep."""
        task = asyncio.create_task(self._in_slot(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _in_slot(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        async with self._slots:
            try:
                await work
            except DELAYED_BY as outage:
                log.warning("work_delayed", work=name, error=repr(outage))
            except Exception:
                log.exception("work_failed", work=name)

    def spawn_result(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Work that a request waits for, and that goes on when the request is cut off."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(look_at)
        return task

    async def finish(self) -> None:
        """Wait for what is under way; a charge on the wire is not left without its answer."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
