"""The `Broker` on RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from pamqp import commands

from shared.messaging.errors import BrokerUnreachable, NotPublished, TopologyConflict
from shared.messaging.messages import Incoming, Message
from shared.messaging.rabbit.link import CLOSE_TIMEOUT_S, GONE, Link
from shared.messaging.rabbit.overhearing import Heard, RabbitOverhearing
from shared.messaging.rabbit.publisher import Publisher, close_quietly
from shared.messaging.rabbit.subscription import Delivery, RabbitSubscription, incoming
from shared.messaging.topology import Queue, Topology, dead_queue, retry_queue

TIMEOUT_S = 5.0


class Held:
    """Messages taken out of a queue one by one, to look at; what is not removed goes back on closing."""

    def __init__(self, channel: Channel, queue: str) -> None:
        self._channel = channel
        self._queue = queue

    async def next(self) -> Incoming | None:
        """The next message, None when no more are ready."""
        got = await self._channel.basic_get(self._queue, timeout=TIMEOUT_S)
        return None if isinstance(got.delivery, commands.Basic.GetEmpty) else incoming(got)

    async def remove(self, message: Incoming) -> None:
        """Delete this one from the queue."""
        assert isinstance(message.delivery, Delivery)
        await self._channel.basic_ack(message.delivery.tag)


class Rabbit:
    """A `Broker` on RabbitMQ. One connection publishes, another consumes and asks: when the broker blocks
    publishers (memory, disk), acknowledgements still pass."""

    def __init__(self, url: str, *, name: str = "ringfence", timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._speaking = Link(url, f"{name} publishes")
        self._hearing = Link(url, f"{name} consumes")
        self._publisher = Publisher(self._speaking, confirmed=True)
        self._replier = Publisher(self._speaking, confirmed=False)
        self._subscriptions: list[RabbitSubscription] = []
        self._overhearings: list[RabbitOverhearing] = []
        self._topologies: list[Topology] = []

    async def open(self, *, timeout_s: float = 10.0) -> None:
        """Connect; raises `BrokerUnreachable` when that fails in time. Later cuts heal by themselves."""
        try:
            await asyncio.gather(self._speaking.open(timeout_s), self._hearing.open(timeout_s))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await asyncio.gather(*(subscription.close() for subscription in self._subscriptions))
        self._subscriptions.clear()
        await asyncio.gather(*(overhearing.close() for overhearing in self._overhearings))
        self._overhearings.clear()
        await asyncio.gather(self._speaking.close(), self._hearing.close())

    async def publish(self, message: Message, *, timeout_s: float | None = None) -> None:
        (problem,) = await self.publish_many([message], timeout_s=timeout_s)
        if problem is not None:
            raise problem

    async def publish_many(
        self, messages: Sequence[Message], *, timeout_s: float | None = None
    ) -> list[NotPublished | None]:
        return await self._publisher.publish(messages, timeout_s or self._timeout_s) if messages else []

    async def reply(self, answers: Sequence[tuple[Incoming, bytes]]) -> int:
        allowed = [
            Message("", to.reply_to, body, correlation_id=to.correlation_id)
            for to, body in answers
            if to.reply_to is not None and to.waits_for_answer
        ]
        if allowed:
            await self._replier.send(allowed, self._timeout_s)
        return len(allowed)

    async def subscribe(self, queue: str, *, prefetch: int) -> RabbitSubscription:
        subscription = RabbitSubscription(self._hearing, queue, prefetch, self._redeclare)
        self._subscriptions.append(subscription)
        return subscription

    async def overhear(self, exchange: str, routing_key: str, heard: Heard) -> RabbitOverhearing:
        overhearing = RabbitOverhearing(self._hearing, exchange, routing_key, heard)
        self._overhearings.append(overhearing)
        return overhearing

    async def declare(self, topology: Topology) -> None:
        await self._declare(topology)
        if topology not in self._topologies:
            self._topologies.append(topology)

    async def depth(self, queue: str) -> int | None:
        try:
            async with self._channel() as channel:
                return (await channel.queue_declare(queue, passive=True)).message_count
        except ChannelNotFoundEntity:
            return None

    @asynccontextmanager
    async def hold(self, queue: str) -> AsyncIterator[Held]:
        """Look at the messages of a queue without consuming them: `async with broker.hold(q) as held`."""
        async with self._channel() as channel:
            yield Held(channel, queue)

    async def _redeclare(self) -> None:
        for topology in self._topologies:
            await self._declare(topology)

    async def _declare(self, topology: Topology) -> None:
        try:
            async with self._channel() as channel:
                for exchange in topology.exchanges:
                    await channel.exchange_declare(exchange, exchange_type="topic", durable=True)
                for work_queue in topology.queues:
                    for queue in work_queue.queues():
                        await _declare_queue(channel, queue)
                    for binding in work_queue.bindings:
                        await channel.queue_bind(work_queue.name, binding.exchange, binding.routing_key)
        except ChannelPreconditionFailed as error:
            raise TopologyConflict(str(error)) from error
        for name in (name for work_queue in topology.queues for name in work_queue.replaces):
            await self._remove_unused(name)

    async def _remove_unused(self, name: str) -> None:
        """A work queue that nobody consumes any more; what it has parked stays for a person to look at."""
        with suppress(ChannelNotFoundEntity):
            async with self._channel() as channel:
                if (await channel.queue_declare(name, passive=True)).consumer_count == 0:
                    for each in (retry_queue(name), name):
                        await channel.queue_delete(each)
                    if (await channel.queue_declare(dead_queue(name), passive=True)).message_count == 0:
                        await channel.queue_delete(dead_queue(name))

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[Channel]:
        connection = await self._hearing.connection(self._timeout_s)
        channel: Channel | None = None
        try:
            opened = await connection.channel(publisher_confirms=False, timeout=self._timeout_s)
            assert isinstance(opened, Channel)
            channel = opened
            yield channel
        except (ChannelNotFoundEntity, ChannelPreconditionFailed):
            raise
        except GONE as error:
            raise BrokerUnreachable(f"the broker went away: {error}") from error
        finally:
            await close_quietly(channel, CLOSE_TIMEOUT_S)


async def _declare_queue(channel: Channel, queue: Queue) -> None:
    await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
