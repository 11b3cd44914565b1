"""The queue before the books: asks from HTTP and RabbitMQ, decided in batches without a timer.

A lane has one connection and one transaction in flight; while it works, the next batch gathers, so batches grow with
the load and a lone ask never waits. An ask is answered within its deadline whatever becomes of the books: a lane that
runs out of time cuts its connection and tells 503 (contract §2: fail closed, never hang, never 500).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg
import structlog

from services.gatekeeper.answers import UNAVAILABLE, UNAVAILABLE_CODE, Answer
from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.handlers import Settled
from services.gatekeeper.lane import Lane, Settles, is_outage
from services.gatekeeper.metrics import METRICS
from shared import tracing
from shared.postgres.pool import OUTAGES

log = structlog.get_logger(__name__)

WARM_UP_SECONDS_MAX = 0.5
LEAST_LEFT_SECONDS = 0.1
"""An ask with less time left than this is not begun: it would only take the others of its batch with it."""


class Tells(Protocol):
    """Whoever publishes what has been committed."""

    def tell(self, account_ids: set[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one gate. `deadline_seconds` counts from an ask's arrival."""

    deadline_seconds: float
    batch_size_max: int
    queue_length_max: int
    lanes: int


@dataclass(slots=True, eq=False)
class _Waiting:
    ask: Ask
    since: float
    answer: asyncio.Future[Answer]
    asked_in: Any = field(default_factory=tracing.here)


class Gate:
    """`submit` from anywhere in the loop; `run` one task per lane until cancelled."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        settle: Settles,
        announcer: Tells,
        limits: Limits,
    ) -> None:
        self._pool = pool
        self._settle = settle
        self._announcer = announcer
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._loop = asyncio.get_running_loop()

    def submit(self, ask: Ask, *, spent_seconds: float = 0.0) -> asyncio.Future[Answer]:
        """The answer to come; 503 at once when too many wait already. Never fails.

        `spent_seconds` of its deadline are over already.
        """
        answer: asyncio.Future[Answer] = self._loop.create_future()
        if len(self._queue) >= self._limits.queue_length_max:
            answer.set_result(UNAVAILABLE)
            METRICS.decisions[ask.kind, UNAVAILABLE_CODE] += 1
            return answer
        self._queue.append(_Waiting(ask, self._loop.time() - spent_seconds, answer))
        if self._idle:
            self._idle.popleft().set_result(None)
        return answer

    async def run(self) -> None:
        """All lanes, for ever."""
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._limits.lanes):
                lanes.create_task(self._run_lane())

    async def _run_lane(self) -> None:
        lane = Lane(self._pool, self._settle)
        try:
            await self._warm_up(lane)
            while True:
                batch = self._take()
                if batch:
                    await self._serve(lane, batch)
                else:
                    await self._wait_for_work()
        finally:
            lane.close()

    async def _warm_up(self, lane: Lane) -> None:
        """Connect and plan before the first call comes, which should not be the one to wait for it."""
        try:
            async with asyncio.timeout(WARM_UP_SECONDS_MAX):
                await lane.ready()
        except OUTAGES as outage:
            log.warning("not_warmed_up", error=repr(outage))

    async def _wait_for_work(self) -> None:
        idle = self._loop.create_future()
        self._idle.append(idle)
        await idle

    def _take(self) -> list[_Waiting]:
        """The longest waiting, without those whose time is as good as over."""
        batch: list[_Waiting] = []
        earliest = self._loop.time() - self._limits.deadline_seconds + LEAST_LEFT_SECONDS
        while self._queue and len(batch) < self._limits.batch_size_max:
            waiting = self._queue.popleft()
            if waiting.since < earliest:
                self._answer(waiting, UNAVAILABLE)
            else:
                batch.append(waiting)
        return batch

    async def _serve(self, lane: Lane, batch: list[_Waiting]) -> None:
        METRICS.batch_size.observe(len(batch))
        try:
            since = min([waiting.since for waiting in batch])
            links = [waiting.asked_in for waiting in batch if waiting.asked_in is not None]
            with tracing.span("settle checks", links=links, attributes={"checks": len(batch)}):
                async with asyncio.timeout_at(since + self._limits.deadline_seconds):
                    await self._settle_all(lane, batch)
        except Exception as error:
            if not is_outage(error):  # whatever it is, the lane must live on and nobody may hang
                log.error("lane_failed", exc_info=error)
            self._give_up(lane, batch, error)

    async def _settle_all(self, lane: Lane, batch: list[_Waiting]) -> None:
        asks = [waiting.ask for waiting in batch]
        try:
            settled = await self._commit(lane, asks)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("batch_failed", checks=len(batch), error=repr(error))
        else:
            self._finish(batch, settled)
            return
        await self._settle_one_by_one(lane, batch)

    async def _commit(self, lane: Lane, asks: Sequence[Ask]) -> Settled:
        """Whoever sits on one account's row keeps its own asks from an answer, and no others."""
        try:
            return await lane.commit(asks)
        except asyncpg.LockNotAvailableError:
            log.warning("account_locked_for_long", checks=len(asks))
            return await lane.commit(asks, skips_locked=True)

    async def _settle_one_by_one(self, lane: Lane, batch: list[_Waiting]) -> None:
        """One of them is our mistake: the others must not suffer for it, nor wait until it is logged."""
        mistakes: list[tuple[Ask, Exception]] = []
        for waiting in batch:
            try:
                self._finish([waiting], await self._commit(lane, [waiting.ask]))
            except Exception as error:
                if is_outage(error):
                    raise
                mistakes.append((waiting.ask, error))
                self._answer(waiting, UNAVAILABLE)
        for ask, mistake in mistakes:
            log.error("check_failed", kind=ask.kind, account_id=ask.account_id, exc_info=mistake)

    def _finish(self, batch: list[_Waiting], settled: Settled) -> None:
        for waiting, answer in zip(batch, settled.answers, strict=True):
            self._answer(waiting, answer)
        if settled.told:
            self._announcer.tell(settled.told)

    def _give_up(self, lane: Lane, batch: list[_Waiting], outage: BaseException) -> None:
        lane.cut()
        log.warning("books_out_of_reach", checks=len(batch), error=repr(outage))
        for waiting in batch:
            self._answer(waiting, UNAVAILABLE)

    def _answer(self, waiting: _Waiting, answer: Answer) -> None:
        if waiting.answer.done():
            return
        waiting.answer.set_result(answer)
        METRICS.latency.observe(self._loop.time() - waiting.since)
        error = answer.body.get("error")
        METRICS.decisions[waiting.ask.kind, error["code"] if error else waiting.ask.action] += 1
