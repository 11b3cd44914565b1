"""The broker through aiormq: publisher confirms, and connections that come back by themselves."""

from collections.abc import Sequence

from shared.messaging.errors import NotPublished
from shared.messaging.messages import Incoming, Message
from shared.messaging.port import Subscription
from shared.messaging.topology import Topology


class Rabbit:
    """A `Broker` on RabbitMQ. One connection publishes, another consumes: a blocked publisher still acks."""

    def __init__(self, url: str, *, name: str = "ringfence", timeout_s: float = 5.0) -> None:
        raise NotImplementedError

    async def open(self) -> None:
        """Connect; raises `BrokerUnreachable` when that fails within the timeout. Later cuts heal by themselves."""

    async def close(self) -> None:
        raise NotImplementedError

    async def publish(self, message: Message, *, timeout_s: float | None = None) -> None:
        raise NotImplementedError

    async def publish_many(
        self, messages: Sequence[Message], *, timeout_s: float | None = None
    ) -> list[NotPublished | None]:
        raise NotImplementedError

    async def reply(self, to: Incoming, body: bytes) -> bool:
        raise NotImplementedError

    async def subscribe(self, queue: str, *, prefetch: int) -> Subscription:
        raise NotImplementedError

    async def declare(self, topology: Topology) -> None:
        raise NotImplementedError

    async def depth(self, queue: str) -> int | None:
        raise NotImplementedError
