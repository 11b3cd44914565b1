"""Low-rate handlers: one message = one transaction, acknowledged after its commit.

They run on the same consumer as the hot path, not on FastStream: one implementation of acknowledging, retry
and parking is held by one conformance suite, and FastStream's own would have to be told not to drop failed
messages and not to publish transient ones, handler by handler. FastStream writes the AsyncAPI document.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from shared import strict_json
from shared.messaging.batch import OUTAGES, BatchConsumer, BatchPolicy, is_outage
from shared.messaging.cloudevents import CloudEvent, InvalidEnvelope, parse_envelope
from shared.messaging.messages import Dead, Incoming, Outcome, Outcomes, Retry
from shared.messaging.port import Broker
from shared.messaging.topology import WorkQueue

Tx = TypeVar("Tx")
M = TypeVar("M", bound=BaseModel)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard(Generic[M]):
    """One event with its data checked against the model of its type."""

    event: CloudEvent
    data: M


Handler = Callable[[Heard[Any], Tx], Awaitable[Outcome | None]]
"""None = done, commit; an outcome = roll back, then retry later or park."""


@dataclass(frozen=True, slots=True)
class Listen(Generic[Tx]):
    """What one handler listens to: its queue with bindings, and the model of the data of each event type.

    `refuse` is told of what is none of these before it is parked, for senders that wait for an answer.
    """

    queue: WorkQueue
    models: Mapping[str, type[BaseModel]]
    handler: Handler[Tx]
    concurrency: int = 4
    refuse: Callable[[Incoming, Dead], Awaitable[None]] | None = None


class RolledBack(Exception):
    """Carries an outcome out of a transaction, which it undoes."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Listener(Generic[Tx]):
    """Runs one `Listen` until stopped.

    `transaction` opens one transaction: commits when its block ends, rolls back when the block raises. One of
    the `outages` raised = the message waits in process and is tried until it works; another exception = it is
    retried by schedule and then parked as `retries_exhausted`.
    """

    def __init__(
        self,
        broker: Broker,
        listen: Listen[Tx],
        transaction: Callable[[], AbstractAsyncContextManager[Tx]],
        *,
        outages: tuple[type[Exception], ...] = OUTAGES,
        policy: BatchPolicy | None = None,
    ) -> None:
        self._listen = listen
        self._transaction = transaction
        self._outages = outages
        self._finished: dict[Incoming, Outcome | None] = {}
        policy = policy or BatchPolicy(batch_size_max=listen.concurrency, prefetch=2 * listen.concurrency)
        self._consumer = BatchConsumer(broker, listen.queue, self._handle_all, outages=outages, policy=policy)

    async def start(self) -> None:
        """Declare the queue, subscribe and begin."""
        await self._consumer.start()

    async def stop(self) -> None:
        """Finish what is in flight, then stop."""
        await self._consumer.stop()

    async def _handle_all(self, batch: Sequence[Incoming]) -> Outcomes:
        # After an outage the batch comes again; what had been committed then is not done twice.
        self._finished = {message: self._finished[message] for message in batch if message in self._finished}
        left = [message for message in batch if message not in self._finished]
        results = await asyncio.gather(*map(self._handle_one, left), return_exceptions=True)
        problems = [result for result in results if isinstance(result, BaseException)]
        for message, result in zip(left, results, strict=True):
            if not isinstance(result, BaseException):
                self._finished[message] = result
        if problems:
            raise problems[0]
        outcomes = {place: self._finished[message] for place, message in enumerate(batch)}
        return {place: [outcome] for place, outcome in outcomes.items() if outcome is not None}

    async def _handle_one(self, message: Incoming) -> Outcome | None:
        heard = self._understand(message)
        if isinstance(heard, Dead):
            if self._listen.refuse is not None:
                await self._listen.refuse(message, heard)
            return heard
        try:
            async with self._transaction() as tx:
                outcome = await self._listen.handler(heard, tx)
                if outcome is not None:
                    raise RolledBack(outcome)
        except RolledBack as rolled_back:
            return rolled_back.outcome
        except Exception as mistake:
            if is_outage(mistake, self._outages):
                raise
            log.exception("handler_failed", queue=self._listen.queue.name, event_type=heard.event.type)
            return Retry("retries_exhausted", f"{type(mistake).__name__}: {mistake}")
        return None

    def _understand(self, message: Incoming) -> Heard[BaseModel] | Dead:
        try:
            event = parse_envelope(strict_json.loads(message.body))
        except (strict_json.NotStrictJson, InvalidEnvelope) as error:
            return Dead("invalid_event", str(error))
        model = self._listen.models.get(event.type)
        if model is None:
            return Dead("unknown_type", f"{self._listen.queue.name} knows no type {event.type}")
        try:
            return Heard(event, model.model_validate(event.data))
        except ValidationError as error:
            return Dead("invalid_event", _in_words(error))


def _in_words(error: ValidationError) -> str:
    """`data.amount_cents: Input should be a valid integer; …`, without the values."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, ('data', *problem['loc'])))}: {problem['msg']}" for problem in problems)
