"""Low-rate handlers: one message = one transaction, acknowledged after its commit."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from shared.messaging.batch import OUTAGES
from shared.messaging.cloudevents import CloudEvent
from shared.messaging.messages import Outcome
from shared.messaging.port import Broker
from shared.messaging.topology import WorkQueue

Tx = TypeVar("Tx")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Heard(Generic[M]):
    """One event with its data checked against the model of its type."""

    event: CloudEvent
    data: M


Handler = Callable[[Heard[M], Tx], Awaitable[Outcome | None]]
"""None = done, commit; an outcome = roll back, then retry later or park."""


@dataclass(frozen=True, slots=True)
class Listen(Generic[Tx]):
    """What one handler listens to: its queue with bindings, and the model of the data of each event type."""

    queue: WorkQueue
    models: Mapping[str, type[BaseModel]]
    handler: Handler[BaseModel, Tx]
    concurrency: int = 4


class Listener(Generic[Tx]):
    """Runs one `Listen` until stopped."""

    def __init__(
        self,
        broker: Broker,
        listen: Listen[Tx],
        transaction: Callable[[], AbstractAsyncContextManager[Tx]],
        *,
        outages: tuple[type[Exception], ...] = OUTAGES,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Subscribe and begin."""

    async def stop(self) -> None:
        """Finish what is in flight, then stop."""
