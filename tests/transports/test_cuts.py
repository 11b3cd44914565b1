"""Consumers through cuts, kills and silence, and properties that would have cut them."""

import asyncio
import struct
import time
from collections import Counter
from collections.abc import Sequence

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.connection import Connection

from deploy.local.rabbitmq import PrivateBroker
from shared.messaging.batch import BatchPolicy
from shared.messaging.messages import Dead, Incoming, Message, Outcomes, Retry
from shared.messaging.rabbit import Rabbit
from shared.messaging.rabbit.link import Link
from shared.messaging.topology import USAGE, Topology, WorkQueue
from tests.transports.cutting_proxy import CuttingProxy
from tests.transports.raw_frames import (
    CORRELATION_ID,
    HEADERS,
    MESSAGE_ID,
    REPLY_TO,
    TIMESTAMP,
    nested_table,
    raw_publish,
    table,
)
from tests.transports.steps import Consume, eventually, is_empty, parked, send


async def test_consumers_resume_after_a_killed_broker_and_unacknowledged_messages_come_again(
    server: PrivateBroker, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    seen: list[bytes] = []
    may_finish = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        seen.extend(message.body for message in batch)
        await may_finish.wait()

    async with consume(handle):
        await send(rabbit, queue, *(b"%d" % number for number in range(50)))
        await eventually(lambda: len(seen) > 0)
        await server.kill()
        may_finish.set()
        await server.start()
        back = time.monotonic()
        await rabbit.publish(Message(USAGE, f"{queue.name}.x", b"news"), timeout_s=10)
        await eventually(lambda: b"news" in seen, within_s=10)
        assert time.monotonic() - back < 10
        await eventually(is_empty(rabbit, queue.name))
    assert {int(body) for body in seen if body != b"news"} == set(range(50))


async def test_what_waits_for_its_retry_survives_a_killed_broker(
    server: PrivateBroker, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    """Contract §3: nothing is dropped. At-most-once dead-lettering would drop it in such a moment."""
    tries: list[int] = []

    async def handle(batch: Sequence[Incoming]) -> Outcomes:
        tries.extend(message.retries for message in batch)
        return {
            place: [Retry("unknown_account", "acc_1", delay_s=1)]
            for place, message in enumerate(batch)
            if message.retries == 0
        }

    await rabbit.declare(Topology((queue,)))
    await asyncio.sleep(1.5)  # 3.10 killed within a second loses the registration of the last queue declared
    async with consume(handle):
        await send(rabbit, queue, *[b"early"] * 100)

        async def all_wait() -> bool:
            return await rabbit.depth(queue.retry) == 100

        await eventually(all_wait, within_s=0.9)
        await server.kill()
        await server.start()
        await eventually(lambda: tries.count(1) >= 100, within_s=15)
    assert await rabbit.depth(queue.dead) == 0


async def test_seven_cut_connections_park_none_of_300_good_messages(
    proxy: CuttingProxy, url: str, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    """Design §5: with a delivery limit of 5 seven cuts dead-lettered 300 of 300 good ones."""
    seen: Counter[bytes] = Counter()
    taken: list[Incoming] = []
    cuts_are_over = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        taken.extend(batch)
        await cuts_are_over.wait()
        seen.update(message.body for message in batch)

    behind_proxy = Rabbit(proxy.in_front_of(url))
    await behind_proxy.open()
    async with consume(handle, broker=behind_proxy) as consumer:
        try:
            await send(rabbit, queue, *(b"%d" % number for number in range(300)))
            await eventually(lambda: consumer.backlog + len(taken) == 300)
            for _ in range(7):
                assert proxy.cut()
                await asyncio.sleep(0.2)
                await eventually(lambda: consumer.backlog == 300)
        finally:
            cuts_are_over.set()
        await eventually(lambda: len(seen) == 300)
        await eventually(is_empty(rabbit, queue.name))
    assert await rabbit.depth(queue.dead) == 0
    await behind_proxy.close()


async def test_an_acknowledgement_after_a_cut_takes_nothing_from_the_new_connection(
    proxy: CuttingProxy, url: str, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    """Delivery tags start again at 1 on a new channel: an old tag would acknowledge what is not yet done."""
    batches: list[int] = []
    cut = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        batches.append(len(batch))
        if len(batches) > 1:
            raise ConnectionRefusedError("nothing is done any more")
        await cut.wait()

    behind_proxy = Rabbit(proxy.in_front_of(url))
    await behind_proxy.open()
    async with consume(handle, broker=behind_proxy, policy=BatchPolicy(batch_size_max=5)) as consumer:
        await send(rabbit, queue, *(b"%d" % number for number in range(20)))
        await eventually(lambda: bool(batches) and consumer.backlog == 20 - batches[0])
        proxy.cut()
        await asyncio.sleep(0.2)
        await eventually(lambda: consumer.backlog == 20)
        cut.set()
        await eventually(lambda: len(batches) > 1)

    async def all_are_back() -> bool:
        return await rabbit.depth(queue.name) == 20

    await eventually(all_are_back)
    await behind_proxy.close()


async def test_a_silent_network_is_noticed(
    proxy: CuttingProxy, url: str, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    seen: list[bytes] = []

    async def handle(batch: Sequence[Incoming]) -> None:
        seen.extend(message.body for message in batch)

    behind_proxy = Rabbit(proxy.in_front_of(url))
    await behind_proxy.open()
    async with consume(handle, broker=behind_proxy):
        await send(rabbit, queue, b"1")
        await eventually(lambda: seen == [b"1"])
        proxy.swallow()
        await send(rabbit, queue, b"2")
        await eventually(lambda: b"2" in seen, within_s=25)
    await behind_proxy.close()


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        (TIMESTAMP, struct.pack(">Q", 1_700_000_000_000_000)),
        (TIMESTAMP, struct.pack(">Q", 2**64 - 1)),
        (CORRELATION_ID, b"\xff" + b"\xfe" * 255),
        (MESSAGE_ID, b"\xff" + b"\xfe" * 255),
        (REPLY_TO, b"\x02\xff\xfe"),
        (HEADERS, table(b"\x02\xff\xfeI\x00\x00\x00\x07")),
        (HEADERS, table(b"\x01aT" + struct.pack(">Q", 2**63))),
        (HEADERS, table(b"\x12ringfence-attemptsI\x00\x00\x00\x09")),
        (HEADERS, nested_table(3_000)),
    ],
)
async def test_an_unreadable_property_stops_nobody(
    rabbit: Rabbit,
    queue: WorkQueue,
    consume: Consume,
    stranger: aio_pika.abc.AbstractChannel,
    flag: int,
    value: bytes,
) -> None:
    """Whoever may publish could otherwise cut our connection again and again."""
    seen: list[bytes] = []

    async def handle(batch: Sequence[Incoming]) -> Outcomes:
        seen.extend(message.body for message in batch)
        return {place: [Dead("invalid_event", "bad")] for place, message in enumerate(batch) if message.body == b"bad"}

    async with consume(handle):
        channel = await stranger.get_underlay_channel()
        assert isinstance(channel, Channel)
        payload = raw_publish(channel.number, USAGE, f"{queue.name}.x", flag, value, b"bad")
        await channel.write_queue.put(ChannelFrame(payload, should_close=False))
        await eventually(lambda: seen == [b"bad"], within_s=3)
        await send(rabbit, queue, b"good")
        await eventually(lambda: seen == [b"bad", b"good"], within_s=3)

        async def it_is_parked() -> bool:
            return await rabbit.depth(queue.dead) == 1

        await eventually(it_is_parked, within_s=3)
    (dead,) = await parked(rabbit, queue)
    assert dead.headers["ringfence-attempts"] == 1


async def test_whatever_connecting_comes_to_it_is_tried_again(server: PrivateBroker) -> None:
    """A broker that starts hangs up on callers; aiormq then raises StopAsyncIteration, which is no connection error.

    It ended the task that keeps the connection: the service stayed deaf until somebody restarted it.
    """

    class Unlucky(Link):
        tries = 0

        async def _connect(self) -> Connection:
            self.tries += 1
            if self.tries <= 2:
                raise (StopAsyncIteration, AssertionError)[self.tries - 1]
            return await super()._connect()

    link = Unlucky(server.urls["operator"], "test")
    await link.open(timeout_s=10)
    assert link.tries == 3
    await link.close()
