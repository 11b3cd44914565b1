"""Any client of the broker behind `shared.messaging.port.Broker`: what publishing must mean."""

import asyncio
import os
import time

import aio_pika
import pytest

from deploy.local.rabbitmq import PrivateBroker
from shared.messaging.errors import BrokerUnreachable, NotPublished, Refused, TopologyConflict, Unroutable
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import EVENTS, NEWS, USAGE, Topology, WorkQueue, work_queue
from tests.transports.cutting_proxy import CuttingProxy
from tests.transports.steps import eventually


def to(queue: WorkQueue, body: bytes = b"{}", *, mandatory: bool = False, message_id: str | None = None) -> Message:
    return Message(USAGE, f"{queue.name}.x", body, mandatory=mandatory, message_id=message_id)


async def test_a_published_message_arrives_as_it_was_sent(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish(
        Message(
            USAGE,
            f"{queue.name}.a.b",
            b'{"a":1}',
            headers={"word": "x", "number": 7},
            message_id="m-1",
            correlation_id="c-1",
            expiration_ms=60_000,
        )
    )
    async with rabbit.hold(queue.name) as held:
        got = await held.next()
        assert got is not None
        assert got.body == b'{"a":1}'
        assert (got.exchange, got.routing_key) == (USAGE, f"{queue.name}.a.b")
        assert dict(got.headers) == dict(got.headers) | {"word": "x", "number": 7}  # the broker may add its own
        assert (got.message_id, got.correlation_id, got.expiration_ms) == ("m-1", "c-1", 60_000)


async def test_looking_at_a_queue_leaves_its_messages_there(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish_many([to(queue, b"1"), to(queue, b"2"), to(queue, b"3")])
    async with rabbit.hold(queue.name) as held:
        bodies = [got.body for _ in range(3) if (got := await held.next())]
        assert bodies == [b"1", b"2", b"3"]
        assert await held.next() is None
    async with rabbit.hold(queue.name) as held:
        first = await held.next()
        assert first is not None
        await held.remove(first)

    async def two_are_left() -> bool:
        return await rabbit.depth(queue.name) == 2

    await eventually(two_are_left)


async def test_a_body_larger_than_a_frame_arrives_whole(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    body = os.urandom(400_000)
    await rabbit.publish(to(queue, body))
    async with rabbit.hold(queue.name) as held:
        got = await held.next()
        assert got is not None
        assert got.body == body


async def test_an_empty_body_arrives(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish(to(queue, b""))
    async with rabbit.hold(queue.name) as held:
        got = await held.next()
        assert got is not None
        assert got.body == b""


async def test_publishing_to_an_exchange_that_does_not_exist_raises(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    with pytest.raises(Refused, match=r"no exchange 'ringfence\.nowhere'"):
        await rabbit.publish(Message("ringfence.nowhere", "x", b"{}"))
    await rabbit.publish(to(queue))  # and the next one goes through


async def test_a_mandatory_message_no_queue_takes_raises(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    with pytest.raises(Unroutable):
        await rabbit.publish(Message(USAGE, "tests.nobody", b"{}", mandatory=True))
    await rabbit.publish(Message(USAGE, "tests.nobody", b"{}"))  # that nobody listens is legal


async def test_of_many_each_is_told_its_own_fate(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    lost = Message(USAGE, "tests.nobody", b"{}", mandatory=True, message_id="same")
    good = to(queue, mandatory=True, message_id="same")
    fates = await rabbit.publish_many([good, lost, good, lost, lost, good])
    assert [type(fate) for fate in fates] == [
        type(None), Unroutable, type(None), Unroutable, Unroutable, type(None)
    ]  # fmt: skip


async def test_fm32_a_confirm_is_really_waited_for(
    server: PrivateBroker, proxy: CuttingProxy, url: str, queue: WorkQueue
) -> None:
    """Failure mode 32: a broker killed before it confirmed may have lost the message."""
    rabbit = Rabbit(proxy.in_front_of(url))
    await rabbit.open()
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish(to(queue))
    proxy.freeze()
    sending = asyncio.create_task(rabbit.publish(to(queue), timeout_s=10))
    await asyncio.sleep(0.3)
    assert not sending.done()
    proxy.cut()
    proxy.thaw()
    with pytest.raises(NotPublished):
        await sending
    await rabbit.close()


async def test_publishing_gives_up_when_its_time_is_over(proxy: CuttingProxy, url: str, queue: WorkQueue) -> None:
    rabbit = Rabbit(proxy.in_front_of(url))
    await rabbit.open()
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish(to(queue))
    proxy.freeze()
    began = time.monotonic()
    with pytest.raises(NotPublished):
        await rabbit.publish(to(queue), timeout_s=0.5)
    assert time.monotonic() - began < 1.5
    proxy.thaw()
    await rabbit.publish(to(queue))
    await rabbit.close()


async def test_publishing_while_the_broker_is_down_raises_in_time(
    server: PrivateBroker, rabbit: Rabbit, queue: WorkQueue
) -> None:
    await rabbit.declare(Topology((queue,)))
    await server.kill()
    try:
        began = time.monotonic()
        with pytest.raises((BrokerUnreachable, NotPublished)):
            await rabbit.publish(to(queue), timeout_s=1)
        assert time.monotonic() - began < 2
    finally:
        await server.start()


async def test_what_was_confirmed_survives_a_killed_broker(
    server: PrivateBroker, rabbit: Rabbit, queue: WorkQueue
) -> None:
    await rabbit.declare(Topology((queue,)))
    assert not any(await rabbit.publish_many([to(queue, b"%d" % number) for number in range(200)]))
    await server.kill()
    await server.start()
    async with rabbit.hold(queue.name) as held:
        bodies = [got.body for _ in range(200) if (got := await held.next())]
    assert sorted(map(int, bodies)) == list(range(200))


async def test_messages_are_published_persistent(
    rabbit: Rabbit, queue: WorkQueue, stranger: aio_pika.abc.AbstractChannel
) -> None:
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish(to(queue))
    foreign_queue = await stranger.get_queue(queue.name)
    got = await foreign_queue.get()
    assert got is not None
    assert got.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    await got.ack()


async def test_a_broker_that_came_back_is_found_within_ten_seconds(
    server: PrivateBroker, rabbit: Rabbit, queue: WorkQueue
) -> None:
    await rabbit.declare(Topology((queue,)))
    await server.kill()
    await asyncio.sleep(2)
    await server.start()
    await rabbit.publish(to(queue), timeout_s=10)


async def test_a_memory_alarm_blocks_publishing_and_its_end_frees_it(
    server: PrivateBroker, rabbit: Rabbit, queue: WorkQueue
) -> None:
    """Failure mode 32: what raised during an alarm must not be counted as sent."""
    await rabbit.declare(Topology((queue,)))
    await server.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        with pytest.raises((BrokerUnreachable, NotPublished)):
            await rabbit.publish(to(queue), timeout_s=1)  # the first is sent: the broker tells only then
        with pytest.raises(BrokerUnreachable):
            await rabbit.publish(to(queue, b"never sent"), timeout_s=0.5)
    finally:
        await server.control("set_vm_memory_high_watermark", "0.4")
    await rabbit.publish(to(queue, b"after"), timeout_s=10)
    async with rabbit.hold(queue.name) as held:
        bodies = [got.body for _ in range(5) if (got := await held.next())]
    assert b"never sent" not in bodies
    assert b"after" in bodies


async def test_a_queue_declared_otherwise_is_a_conflict(
    rabbit: Rabbit, queue: WorkQueue, stranger: aio_pika.abc.AbstractChannel
) -> None:
    await stranger.declare_queue(queue.name, durable=True)
    with pytest.raises(TopologyConflict):
        await rabbit.declare(Topology((queue,)))


async def test_declaring_twice_changes_nothing(rabbit: Rabbit, queue: WorkQueue) -> None:
    await rabbit.declare(Topology((queue,)))
    await rabbit.publish(to(queue))
    await rabbit.declare(Topology((queue,)))
    assert await rabbit.depth(queue.name) == 1
    assert await rabbit.depth(f"{queue.name}.nothing") is None


async def test_a_queue_of_an_earlier_release_goes_when_nobody_consumes_it(rabbit: Rabbit) -> None:
    """Else it would gather what nobody takes, for ever; while an old process is still there it has its queue."""
    was = work_queue("tests.was", EVENTS, "tests.old.#")
    now = Topology((work_queue("tests.is", NEWS, "tests.new", replaces=(was.name,)),))
    await rabbit.declare(now)
    await rabbit.declare(Topology((was,)))
    consumer = await rabbit.subscribe(was.name, prefetch=1)
    await rabbit.publish(Message(EVENTS, "tests.old.1", b"{}"))
    (message,) = await consumer.take(1)
    await rabbit.declare(now)
    assert await rabbit.depth(was.name) is not None
    await consumer.ack_through(message)
    await rabbit.publish(Message("", was.dead, b"{}"))
    await consumer.stop()
    await consumer.close()
    await rabbit.declare(now)
    assert [await rabbit.depth(name) for name in (was.name, was.retry, was.dead)] == [None, None, 1]


async def test_a_broker_that_is_not_there_is_reported(server: PrivateBroker) -> None:
    with pytest.raises(BrokerUnreachable):
        await Rabbit("amqp://nobody:nothing@127.0.0.1:1/").open(timeout_s=0.5)
