"""Consuming: what has arrived waits in a buffer of at most `prefetch` messages until it is taken."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.connection import Connection
from aiormq.exceptions import ChannelNotFoundEntity

from shared.messaging.errors import MessagingError
from shared.messaging.messages import Incoming
from shared.messaging.rabbit.link import CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S, GONE, Link
from shared.messaging.rabbit.publisher import close_quietly

PAUSE_S = 0.5
FRAMES_PER_MESSAGE = 3
"""So that a whole prefetch can be read off the socket before the first batch is taken."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a message came from; its tag means something on that channel only."""

    channel: Channel
    tag: int


class RabbitSubscription:
    """A `Subscription` on one channel at a time; a new channel after every loss."""

    def __init__(self, link: Link, queue: str, prefetch: int, restore: Callable[[], Awaitable[None]]) -> None:
        self._link = link
        self._queue = queue
        self._prefetch = prefetch
        self._restore = restore
        self._channel: Channel | None = None
        self._consumer_tag = ""
        self._buffer: deque[Incoming] = deque()
        self._news = asyncio.Event()
        self._established = asyncio.Event()
        self._stopped = False
        self._keeper = asyncio.create_task(self._keep(), name=f"amqp consumer {queue}")

    @property
    def waiting(self) -> int:
        return len(self._buffer)

    @property
    def waiting_bytes(self) -> int:
        return sum(len(message.body) for message in self._buffer)

    async def take(self, at_most: int) -> list[Incoming]:
        while not self._buffer and not self._stopped:
            self._news.clear()
            await self._news.wait()
        if self._stopped:
            return []
        return [self._buffer.popleft() for _ in range(min(at_most, len(self._buffer)))]

    def holds(self, message: Incoming) -> bool:
        assert isinstance(message.delivery, Delivery)
        return message.delivery.channel is self._channel and not message.delivery.channel.is_closed

    async def ack_through(self, last: Incoming) -> bool:
        if not self.holds(last):
            return False
        assert isinstance(last.delivery, Delivery)
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await last.delivery.channel.basic_ack(last.delivery.tag, multiple=True, wait=False)
        except GONE:
            return False
        return True

    async def stop(self) -> None:
        self._stopped = True
        self._news.set()
        if self._channel is not None and not self._channel.is_closed:  # a half-made consumer loses its channel
            with suppress(TimeoutError):
                await asyncio.wait_for(self._established.wait(), CLOSE_TIMEOUT_S)
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        self._buffer.clear()
        if self._channel is not None and not self._channel.is_closed and self._consumer_tag:
            try:
                await self._channel.basic_cancel(self._consumer_tag, timeout=CLOSE_TIMEOUT_S)
            except GONE as error:
                log.info("consumer_cancel_failed", queue=self._queue, error=str(error))

    async def close(self) -> None:
        if not self._stopped:
            await self.stop()
        await close_quietly(self._channel, CLOSE_TIMEOUT_S)
        self._channel = None

    async def _keep(self) -> None:
        while True:
            try:
                connection = await self._link.connection(CONNECT_TIMEOUT_S)
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    channel = await self._consume(connection)
            except ChannelNotFoundEntity:
                log.error("queue_missing", queue=self._queue)
                await self._restore_quietly()
                await asyncio.sleep(PAUSE_S)
            except (MessagingError, *GONE) as error:
                log.warning("consumer_waits_for_broker", queue=self._queue, error=str(error))
                await asyncio.sleep(PAUSE_S)
            else:
                await asyncio.wait([channel.closing])
                self._buffer.clear()  # the broker gives them out again
                log.warning("consumer_lost", queue=self._queue)

    async def _restore_quietly(self) -> None:
        try:
            await self._restore()
        except (MessagingError, *GONE) as error:
            log.warning("topology_not_restored", queue=self._queue, error=str(error))

    async def _consume(self, connection: Connection) -> Channel:
        channel = await connection.channel(
            publisher_confirms=False, frame_buffer_size=FRAMES_PER_MESSAGE * self._prefetch
        )
        assert isinstance(channel, Channel)
        try:
            await channel.basic_qos(prefetch_count=self._prefetch)
            self._buffer.clear()
            self._established.clear()
            self._channel = channel
            channel.on_consumer_cancel_callbacks.add(lambda _: self._canceled(channel))
            answer = await channel.basic_consume(self._queue, self._arrive)
        except BaseException:
            await close_quietly(channel, CLOSE_TIMEOUT_S)
            raise
        self._consumer_tag = answer.consumer_tag or ""
        self._established.set()
        return channel

    async def _canceled(self, channel: Channel) -> None:
        """The broker ended the consumer, its queue went away; a closed channel makes `_keep` start anew."""
        self._closing = asyncio.create_task(close_quietly(channel, CLOSE_TIMEOUT_S))

    async def _arrive(self, delivered: DeliveredMessage) -> None:
        if delivered.channel is self._channel and not self._stopped:
            message = incoming(delivered)
            message.arrived = self._link.stalls.arrival()
            self._buffer.append(message)
            self._news.set()


def incoming(delivered: DeliveredMessage) -> Incoming:
    """A delivery in our words."""
    properties = delivered.header.properties
    expiration = properties.expiration
    sent_at = properties.timestamp
    assert isinstance(delivered.channel, Channel)
    return Incoming(
        body=delivered.body,
        exchange=delivered.exchange or "",
        routing_key=delivered.routing_key or "",
        headers=properties.headers or {},
        message_id=properties.message_id,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        expiration_ms=int(expiration) if expiration and expiration.isdecimal() else None,
        sent_at=None if sent_at is None else int(sent_at.timestamp()),
        redelivered=bool(delivered.redelivered),
        delivery=Delivery(delivered.channel, delivered.delivery_tag or 0),
    )
