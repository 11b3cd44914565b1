"""What a client of the broker must be able to do; `tests/transports` holds any implementation to it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.messaging.errors import NotPublished
from shared.messaging.messages import Incoming, Message
from shared.messaging.topology import Topology


class Subscription(Protocol):
    """A consumer of one queue that comes back by itself after any cut of the connection."""

    @property
    def waiting(self) -> int:
        """How many messages have arrived and wait to be taken (at most the prefetch)."""

    @property
    def waiting_bytes(self) -> int:
        """How long their bodies are together: a message may hold one event or hundreds."""

    async def take(self, at_most: int) -> list[Incoming]:
        """Wait for the first message, then return all that wait, in order; empty once stopped."""

    def holds(self, message: Incoming) -> bool:
        """Whether we still hold the message; after a cut the broker gives it out again."""

    async def ack_through(self, last: Incoming) -> bool:
        """Acknowledge `last` and every message taken before it; False when they were lost to a cut."""

    async def stop(self) -> None:
        """Take no more; what was taken can still be acknowledged."""

    async def close(self) -> None:
        """Give back what is unacknowledged."""


class Overhearing(Protocol):
    """A queue of our own that is gone with the connection; made anew after any cut."""

    async def listening(self) -> None:
        """Wait until what is said is heard."""

    async def close(self) -> None:
        """Hear no more."""


class Held(Protocol):
    """Messages taken out of a queue one by one, to look at; what is not removed goes back in the end."""

    async def next(self) -> Incoming | None:
        """The next message, None when no more are ready."""

    async def remove(self, message: Incoming) -> None:
        """Delete this one from the queue."""


class Broker(Protocol):
    """Publish, subscribe, overhear, declare, look."""

    async def publish(self, message: Message, *, timeout_s: float | None = None) -> None:
        """Return when the broker has taken responsibility; raise `NotPublished` or `BrokerUnreachable`."""

    async def publish_many(
        self, messages: Sequence[Message], *, timeout_s: float | None = None
    ) -> list[NotPublished | None]:
        """Publish all in one go; per message None when confirmed, else why not.
        Raises `BrokerUnreachable`, then nothing was sent."""

    async def reply(self, answers: Sequence[tuple[Incoming, bytes]]) -> int:
        """Answer requests, unconfirmed: who gets none asks again. Returns how many were sent; a request
        without `reply_to`, or with a name that is not the asker's own, is passed over."""

    async def subscribe(self, queue: str, *, prefetch: int) -> Subscription:
        """Start consuming the queue."""

    async def overhear(self, exchange: str, routing_key: str, heard: Callable[[Incoming], None]) -> Overhearing:
        """Call `heard` with what others say, as long as we listen: nothing is kept for us, nothing acknowledged.
        After a cut it comes back by itself; what was said meanwhile is not heard. `heard` must not wait."""

    async def declare(self, topology: Topology) -> None:
        """Make the broker have it; raises `TopologyConflict` when it has something else of that name."""

    async def depth(self, queue: str) -> int | None:
        """How many messages are ready in the queue; None when there is no such queue."""

    def hold(self, queue: str) -> AbstractAsyncContextManager[Held]:
        """Look at the messages of a queue without consuming them."""

    async def close(self) -> None:
        """Give back what is unacknowledged and disconnect."""
