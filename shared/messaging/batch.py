"""The hot consumer: takes what has arrived, handles it as one batch, acknowledges it in one go."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from shared.messaging.messages import Incoming, Outcomes
from shared.messaging.port import Broker

HandleBatch = Callable[[Sequence[Incoming]], Awaitable[Outcomes | None]]
"""None or {} = all done. Raising one of the consumer's `outages` = nothing was done, the batch comes again
after a pause; raising anything else = one of them is poison, which is found by halving."""

OUTAGES: tuple[type[Exception], ...] = (OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Limits of one consumer; sizes count messages, times are as their names say."""

    batch_size_max: int = 256
    prefetch: int = 1_000
    retry_delays_s: tuple[float, ...] = (1, 3, 10, 10, 10)
    outage_delays_s: tuple[float, ...] = (0.1, 0.2, 0.5, 1, 2, 5)
    expires_ms: int | None = None


class BatchConsumer:
    """Consumes one queue until stopped, one batch in flight."""

    def __init__(
        self,
        broker: Broker,
        queue: str,
        handle: HandleBatch,
        *,
        outages: tuple[type[Exception], ...] = OUTAGES,
        policy: BatchPolicy | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def backlog(self) -> int:
        """Messages that have arrived and wait for the next batch (at most the prefetch): more is coming."""
        raise NotImplementedError

    async def start(self) -> None:
        """Subscribe and begin."""

    async def stop(self) -> None:
        """Finish the batch in flight, then stop; what was not taken goes back to the queue."""
