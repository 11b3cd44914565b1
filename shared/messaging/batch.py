"""The hot consumer: takes what has arrived, handles it as one batch, acknowledges it in one go.

There is no timer: while a batch is handled the next one gathers, so batches grow with the load. Only one is
in flight, and batches are taken in order, so acknowledging through the last message covers exactly the batch.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from shared import tracing
from shared.messaging.errors import MessagingError, Unroutable
from shared.messaging.giving_up import RetryPolicy, side_messages
from shared.messaging.messages import Incoming, Message, Outcome, Outcomes, Retry
from shared.messaging.metrics import BATCH_SECONDS, LAG_SECONDS, TAKEN, count_given_up
from shared.messaging.port import Broker, Subscription
from shared.messaging.topology import Topology, WorkQueue

HandleBatch = Callable[[Sequence[Incoming]], Awaitable[Outcomes | None]]
"""None or {} = all done. Raising one of the consumer's `outages` = nothing was done, the batch comes again
after a pause; raising anything else = one of them is poison, which is found by halving."""

OUTAGES: tuple[type[Exception], ...] = (OSError, TimeoutError)

log = structlog.get_logger(__name__)


def is_outage(error: BaseException, outages: tuple[type[Exception], ...]) -> bool:
    """One of the outages, and not a value that could not be sent: database clients raise that as both."""
    return isinstance(error, outages) and not isinstance(error, ValueError)


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Limits of one consumer; sizes count messages, times are as their names say.

    `expires_ms`: messages older than this, or than their own expiration, are dropped unhandled.
    """

    batch_size_max: int = 256
    prefetch: int = 1_000
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    outage_pauses_s: tuple[float, ...] = (0.1, 0.2, 0.5, 1, 2, 5)
    expires_ms: int | None = None


class LostBatch(Exception):
    """The connection was cut or we are stopping: the broker gives the batch out again."""


class BatchConsumer:
    """Consumes one queue until stopped, one batch in flight."""

    def __init__(
        self,
        broker: Broker,
        queue: WorkQueue,
        handle: HandleBatch,
        *,
        outages: tuple[type[Exception], ...] = OUTAGES,
        policy: BatchPolicy | None = None,
    ) -> None:
        self._broker = broker
        self._queue = queue
        self._handle = handle
        self._outages = outages
        self._policy = policy or BatchPolicy()
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._in_hand_since: float | None = None
        LAG_SECONDS.labels(queue.name).set_function(self._lag_seconds)

    @property
    def backlog(self) -> int:
        """Messages that have arrived and wait for the next batch (at most the prefetch): more is coming."""
        return self._subscription.waiting if self._subscription is not None else 0

    @property
    def backlog_bytes(self) -> int:
        """The same by size."""
        return self._subscription.waiting_bytes if self._subscription is not None else 0

    def _lag_seconds(self) -> float:
        since = self._in_hand_since
        return 0.0 if since is None else time.monotonic() - since

    async def start(self) -> None:
        """Declare the queue, subscribe and begin."""
        await self._broker.declare(Topology((self._queue,)))
        await self._subscribe()
        self._task = asyncio.create_task(self._run(), name=f"consumer {self._queue.name}")

    async def stop(self) -> None:
        """Finish the batch in flight, then stop; what was not taken goes back to the queue."""
        self._stopping.set()
        if self._subscription is not None and self._task is not None:
            await self._subscription.stop()
            await self._task
            await self._subscription.close()

    async def _subscribe(self) -> Subscription:
        self._subscription = await self._broker.subscribe(self._queue.name, prefetch=self._policy.prefetch)
        return self._subscription

    async def _run(self) -> None:
        assert self._subscription is not None
        subscription = self._subscription
        while not self._stopping.is_set():
            try:
                if not await self._work_off(subscription):
                    return
            except Exception:
                # A mistake of ours outside the handler: a later acknowledgement would cover this batch, too.
                log.exception("consumer_failed", queue=self._queue.name)
                await subscription.close()
                await self._wait(self._policy.outage_pauses_s[-1])
                subscription = await self._subscribe()

    async def _work_off(self, subscription: Subscription) -> bool:
        """Handle one batch; False when there will be no more."""
        batch = await subscription.take(self._policy.batch_size_max)
        if not batch:
            return False
        TAKEN.labels(self._queue.name).inc(len(batch))
        self._in_hand_since = batch[0].arrived
        try:
            with BATCH_SECONDS.labels(self._queue.name).time():
                await self._settle_traced(subscription, batch)
        finally:
            self._in_hand_since = None
        return True

    async def _settle_traced(self, subscription: Subscription, batch: Sequence[Incoming]) -> None:
        told = tracing.told_by_events(message.body for message in batch)
        with tracing.span(
            f"process {self._queue.name}",
            "consumer",
            parent=tracing.parent_of(told),
            links=told,
            attributes={"messaging.destination.name": self._queue.name, "messaging.batch.message_count": len(batch)},
        ):
            await self._settle(subscription, batch)

    async def _settle(self, subscription: Subscription, batch: Sequence[Incoming]) -> None:
        try:
            given_up = await self._outcomes(subscription, self._still_wanted(batch))
            await self._park(subscription, batch[-1], given_up)
        except LostBatch:
            log.info("batch_lost", queue=self._queue.name, messages=len(batch))
        else:
            await subscription.ack_through(batch[-1])

    def _still_wanted(self, batch: Sequence[Incoming]) -> Sequence[Incoming]:
        limit_ms = self._policy.expires_ms
        return batch if limit_ms is None else [message for message in batch if not message.outlived(limit_ms)]

    async def _outcomes(self, subscription: Subscription, batch: Sequence[Incoming]) -> list[tuple[Incoming, Outcome]]:
        """What is to be retried or parked; raises `LostBatch`. Repeats for as long as an outage lasts."""
        attempt = 0
        while batch:
            try:
                outcomes = await self._handle(batch) or {}
                return [(batch[place], outcome) for place in sorted(outcomes) for outcome in outcomes[place]]
            except Exception as error:  # noqa: BLE001 -- any mistake of a handler must stop at its message
                if not is_outage(error, self._outages):
                    return await self._halve(subscription, batch, error)
                log.warning("handler_outage", queue=self._queue.name, error=repr(error), attempt=attempt)
                await self._pause(subscription, batch[-1], attempt)
                attempt += 1
        return []

    async def _halve(
        self, subscription: Subscription, batch: Sequence[Incoming], mistake: Exception
    ) -> list[tuple[Incoming, Outcome]]:
        if len(batch) == 1:
            log.error("handler_failed", queue=self._queue.name, exc_info=mistake)
            return [(batch[0], Retry("internal_error", f"{type(mistake).__name__}: {mistake}"))]
        middle = len(batch) // 2
        return [
            *await self._outcomes(subscription, batch[:middle]),
            *await self._outcomes(subscription, batch[middle:]),
        ]

    async def _park(
        self, subscription: Subscription, last: Incoming, given_up: Sequence[tuple[Incoming, Outcome]]
    ) -> None:
        """Publish what is retried or dead, confirmed, before its original is acknowledged."""
        unsent = side_messages(self._queue, self._policy.retry, given_up)
        attempt = 0
        while unsent := await self._unconfirmed(unsent):
            await self._pause(subscription, last, attempt)
            attempt += 1

    async def _unconfirmed(self, messages: list[Message]) -> list[Message]:
        try:
            problems = await self._broker.publish_many(messages)
            if any(isinstance(problem, Unroutable) for problem in problems):
                await self._broker.declare(Topology((self._queue,)))  # somebody deleted the side queue
        except MessagingError as error:
            log.warning("side_queue_unreachable", queue=self._queue.name, error=str(error))
            return messages
        count_given_up(
            self._queue.name,
            self._queue.dead,
            [message for message, problem in zip(messages, problems, strict=True) if problem is None],
        )
        failed = [(message, problem) for message, problem in zip(messages, problems, strict=True) if problem]
        for message, problem in failed:
            log.warning("side_queue_publish_failed", queue=message.routing_key, error=str(problem))
        return [message for message, _ in failed]

    async def _pause(self, subscription: Subscription, last: Incoming, attempt: int) -> None:
        pauses_s = self._policy.outage_pauses_s
        await self._wait(pauses_s[min(attempt, len(pauses_s) - 1)])
        if self._stopping.is_set() or not subscription.holds(last):
            raise LostBatch

    async def _wait(self, seconds: float) -> None:
        """Sleep, or return early when we are told to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
