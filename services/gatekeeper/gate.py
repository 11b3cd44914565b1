"""The queue before the books: asks from HTTP and RabbitMQ, decided in batches without a timer.

A lane has one connection and one transaction in flight; while it works, the next batch gathers, so batches grow with
the load and a lone ask never waits. An ask is answered within its deadline whatever becomes of the books: a lane that
runs out of time cuts its connection and tells 503 (contract §2: fail closed, never hang, never 500).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import asyncpg
import structlog

from services.gatekeeper.answers import UNAVAILABLE, UNAVAILABLE_CODE, Answer
from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.handlers import Settled
from services.gatekeeper.metrics import METRICS
from shared import tracing
from shared.postgres.pool import OUTAGES, Connection

log = structlog.get_logger(__name__)

WARM_UP_SECONDS_MAX = 0.5
LEAST_LEFT_SECONDS = 0.1
"""An ask with less time left than this is not begun: it would only take the others of its batch with it."""

OUT_OF_REACH: tuple[type[BaseException], ...] = (
    *OUTAGES,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
)


NO_OUTAGE = asyncpg.LockNotAvailableError | asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError


class Tells(Protocol):
    """Whoever publishes what has been committed."""

    def tell(self, account_ids: set[str]) -> None: ...


class Settles(Protocol):
    """Decides a batch inside the lane's transaction."""

    def __call__(
        self, connection: Connection, asks: Sequence[Ask], *, skips_locked: bool = False
    ) -> Awaitable[Settled]: ...


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
        lane = _Lane(self._pool)
        try:
            await self._warm_up(lane)
            while True:
                batch = self._take()
                if batch:
                    await self._serve(lane, batch)
                else:
                    await self._wait_for_work()
        finally:
            lane.cut()

    async def _warm_up(self, lane: "_Lane") -> None:
        """Connect and plan before the first call comes, which should not be the one to wait for it."""
        try:
            async with asyncio.timeout(WARM_UP_SECONDS_MAX):
                await lane.commit(self._settle, [])
        except OUT_OF_REACH as outage:
            lane.cut()
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

    async def _serve(self, lane: "_Lane", batch: list[_Waiting]) -> None:
        METRICS.batch_size.observe(len(batch))
        try:
            since = min([waiting.since for waiting in batch])
            links = [waiting.asked_in for waiting in batch if waiting.asked_in is not None]
            with tracing.span("settle checks", links=links, attributes={"checks": len(batch)}):
                async with asyncio.timeout_at(since + self._limits.deadline_seconds):
                    await self._settle_all(lane, batch)
        except Exception as error:
            if not _is_outage(error):  # whatever it is, the lane must live on and nobody may hang
                log.error("lane_failed", exc_info=error)
            self._give_up(lane, batch, error)

    async def _settle_all(self, lane: "_Lane", batch: list[_Waiting]) -> None:
        asks = [waiting.ask for waiting in batch]
        try:
            settled = await self._commit(lane, asks)
        except Exception as error:
            if _is_outage(error):
                raise
            log.warning("batch_failed", checks=len(batch), error=repr(error))
        else:
            self._finish(batch, settled)
            return
        await self._settle_one_by_one(lane, batch)

    async def _commit(self, lane: "_Lane", asks: Sequence[Ask]) -> Settled:
        """Whoever sits on one account's row keeps its own asks from an answer, and no others."""
        try:
            return await lane.commit(self._settle, asks)
        except asyncpg.LockNotAvailableError:
            log.warning("account_locked_for_long", checks=len(asks))
            return await lane.commit(partial(self._settle, skips_locked=True), asks)

    async def _settle_one_by_one(self, lane: "_Lane", batch: list[_Waiting]) -> None:
        """One of them is our mistake: the others must not suffer for it, nor wait until it is logged."""
        mistakes: list[tuple[Ask, Exception]] = []
        for waiting in batch:
            try:
                self._finish([waiting], await self._commit(lane, [waiting.ask]))
            except Exception as error:
                if _is_outage(error):
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

    def _give_up(self, lane: "_Lane", batch: list[_Waiting], outage: BaseException) -> None:
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


def _is_outage(error: BaseException) -> bool:
    """asyncpg calls a value it can't encode an InterfaceError, too; that is nobody's outage, nor is a locked row, nor a
    plan that a migration has made stale: asked again, it is made anew."""
    return isinstance(error, OUT_OF_REACH) and not isinstance(error, ValueError | NO_OUTAGE)


class _Lane:
    """One connection, kept from batch to batch (a pool would reset it each time), replaced after any trouble."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None

    async def commit(
        self, settle: Callable[[Connection, Sequence[Ask]], Awaitable[Settled]], asks: Sequence[Ask]
    ) -> Settled:
        """One transaction; rolled back when `settle` raises. After an outage or a timeout call `cut`."""
        connection = await self._ready()
        await connection.execute("BEGIN")
        try:
            settled = await settle(connection, asks)
        except Exception as error:
            if not _is_outage(error):
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return settled

    async def _ready(self) -> asyncpg.pool.PoolConnectionProxy:
        if self._connection is not None and _is_lost(self._connection):
            self._connection = None
        if self._connection is None:
            self._connection = await self._pool.acquire()
        return self._connection

    def cut(self) -> None:
        """Drop the connection without asking the server, which may be the one that hangs."""
        connection, self._connection = self._connection, None
        if connection is not None and not _is_lost(connection):
            connection.terminate()  # its pool notices and makes room for another


def _is_lost(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Closed; one that the server closed has also been taken back by its pool, and says so by an error."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True
