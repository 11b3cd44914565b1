"""The hot consumer: batches, acknowledgement, retry, parking and isolation, on a real broker."""

import asyncio
import itertools
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel

from deploy.local.rabbitmq import PrivateBroker
from shared.messaging.batch import BatchConsumer, BatchPolicy, HandleBatch
from shared.messaging.giving_up import RetryPolicy
from shared.messaging.messages import Dead, Incoming, Message, Outcomes, Retry
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import CHECK_TTL_MS, USAGE, Topology, WorkQueue, work_queue
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
from tests.transports.waiting import eventually

QUICK = BatchPolicy(retry=RetryPolicy(delays_s=(0.3, 0.3)), outage_pauses_s=(0.05, 0.1))
Consume = Callable[..., AbstractAsyncContextManager[BatchConsumer]]


@pytest.fixture
def consume(rabbit: Rabbit, queue: WorkQueue) -> Consume:
    @asynccontextmanager
    async def consume(
        handle: HandleBatch, *, policy: BatchPolicy = QUICK, broker: Rabbit = rabbit, at: WorkQueue = queue
    ) -> AsyncIterator[BatchConsumer]:
        consumer = BatchConsumer(broker, at, handle, policy=policy)
        await consumer.start()
        try:
            yield consumer
        finally:
            async with asyncio.timeout(10):
                await consumer.stop()

    return consume


async def send(rabbit: Rabbit, queue: WorkQueue, *bodies: bytes) -> None:
    problems = await rabbit.publish_many([Message(USAGE, f"{queue.name}.x", body) for body in bodies])
    assert not any(problems)


async def parked(rabbit: Rabbit, queue: WorkQueue) -> list[Incoming]:
    found: list[Incoming] = []
    async with rabbit.hold(queue.dead) as held:
        while (message := await held.next()) is not None:
            found.append(message)
    return found


def is_empty(rabbit: Rabbit, *names: str) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return [await rabbit.depth(name) for name in names] == [0] * len(names)

    return holds


async def test_all_that_waits_comes_in_order_and_in_one_batch(
    rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    """Design §4: the ledger takes what has arrived (≤ 256 events)."""
    batches: list[list[int]] = []
    backlogs: list[int] = []
    may_go_on = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        batches.append([int(message.body) for message in batch])
        await may_go_on.wait()
        backlogs.append(consumer.backlog)

    await rabbit.declare(Topology((queue,)))
    async with consume(handle) as consumer:
        await send(rabbit, queue, b"0")
        await eventually(lambda: len(batches) == 1)
        await send(rabbit, queue, *(b"%d" % number for number in range(1, 601)))
        await eventually(lambda: consumer.backlog == 600)
        may_go_on.set()
        await eventually(lambda: sum(map(len, batches)) == 601)
    assert [number for batch in batches for number in batch] == list(range(601))
    assert [len(batch) for batch in batches] == [1, 256, 256, 88]
    assert backlogs == [600, 344, 88, 0]


async def test_no_more_than_the_prefetch_is_held(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    may_go_on = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        await may_go_on.wait()

    await rabbit.declare(Topology((queue,)))
    await send(rabbit, queue, *[b"x"] * 50)
    async with consume(handle, policy=BatchPolicy(batch_size_max=4, prefetch=10)):

        async def forty_are_left() -> bool:
            return await rabbit.depth(queue.name) == 40

        await eventually(forty_are_left)
        await asyncio.sleep(0.3)
        assert await rabbit.depth(queue.name) == 40
        may_go_on.set()
        await eventually(is_empty(rabbit, queue.name))


async def test_nothing_is_acknowledged_before_its_batch_is_done(
    url: str, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    """Design §5: ack only after commit."""
    done: list[bytes] = []
    hangs = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        if batch[0].body == b"3":
            hangs.set()
            await asyncio.Event().wait()
        done.extend(message.body for message in batch)

    dying = Rabbit(url)
    await dying.open()
    consumer = BatchConsumer(dying, queue, handle, policy=BatchPolicy(batch_size_max=3))
    await consumer.start()
    await send(rabbit, queue, *(b"%d" % number for number in range(9)))
    await hangs.wait()
    await dying.close()  # as a kill does: nothing is acknowledged on the way out
    again: list[bytes] = []

    async def handle_again(batch: Sequence[Incoming]) -> None:
        again.extend(message.body for message in batch)

    async with consume(handle_again):
        await eventually(lambda: len(done) + len(again) >= 9)
        await eventually(is_empty(rabbit, queue.name))
    assert done == [b"0", b"1", b"2"]
    assert again == [b"3", b"4", b"5", b"6", b"7", b"8"]
    assert consumer._task is not None
    consumer._task.cancel()


async def test_stopping_finishes_the_batch_in_flight_and_gives_back_the_rest(rabbit: Rabbit, queue: WorkQueue) -> None:
    done: list[bytes] = []
    begun = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        done.extend(message.body for message in batch)

    consumer = BatchConsumer(rabbit, queue, handle, policy=BatchPolicy(batch_size_max=2))
    await consumer.start()
    await send(rabbit, queue, b"1", b"2", b"3", b"4", b"5")
    await begun.wait()
    await consumer.stop()

    async def the_rest_is_back() -> bool:
        return await rabbit.depth(queue.name) == 5 - len(done)

    await eventually(the_rest_is_back)
    assert done in ([b"1"], [b"1", b"2"])


async def test_a_given_up_message_is_parked_with_its_reason(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    """Contract §3: published, confirmed, to `<queue>.dead` with the headers reason, detail, attempts."""

    async def handle(batch: Sequence[Incoming]) -> Outcomes:
        return {
            place: [Dead("invalid_event", "no \ud800 type")]
            for place, message in enumerate(batch)
            if message.body == b"bad"
        }

    async with consume(handle):
        await send(rabbit, queue, b"good", b"bad", b"good")
        await eventually(is_empty(rabbit, queue.name))

        async def one_is_parked() -> bool:
            return await rabbit.depth(queue.dead) == 1

        await eventually(one_is_parked)
    (dead,) = await parked(rabbit, queue)
    assert dead.body == b"bad"
    assert dead.headers["ringfence-reason"] == "invalid_event"
    assert dead.headers["ringfence-detail"] == "no ? type"
    assert dead.headers["ringfence-attempts"] == 1
    assert dead.headers["ringfence-routing-key"] == f"{queue.name}.x"


async def test_of_an_array_only_the_bad_elements_are_parked(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    """Contract §3: of an array only the bad ones; nothing else stops."""
    seen: list[bytes] = []

    async def handle(batch: Sequence[Incoming]) -> Outcomes:
        seen.extend(message.body for message in batch)
        return {
            place: [
                Dead("invalid_event", "first", body=b"[1]"),
                Retry("unknown_account", "second", body=b"[2]"),
                Dead("id_reused", "third", body=b"[3]"),
            ]
            for place, message in enumerate(batch)
            if message.body == b"[0,1,2,3]"
        }

    async with consume(handle):
        await send(rabbit, queue, b"[0,1,2,3]", b"[9]")
        await eventually(lambda: b"[2]" in seen)
        await eventually(is_empty(rabbit, queue.name, queue.retry))
    assert Counter(seen) == {b"[0,1,2,3]": 1, b"[9]": 1, b"[2]": 1}
    dead = await parked(rabbit, queue)
    assert {message.body: message.headers["ringfence-reason"] for message in dead} == {
        b"[1]": "invalid_event",
        b"[3]": "id_reused",
    }


async def test_a_retry_waits_its_delay_and_is_counted(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    """Contract §3: nothing is retried in a hot loop, nothing is dropped."""
    tries: list[tuple[float, int]] = []

    async def handle(batch: Sequence[Incoming]) -> Outcomes:
        tries.extend((time.monotonic(), message.retries) for message in batch)
        return {place: [Retry("unknown_account", "acc_1")] for place, _ in enumerate(batch)}

    async with consume(handle):
        await send(rabbit, queue, b"early")
        await eventually(lambda: len(tries) == 3)
        await asyncio.sleep(0.8)
    assert [retries for _, retries in tries] == [0, 1, 2]
    pauses = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(tries)]
    assert all(0.3 <= pause < 2 for pause in pauses)
    (dead,) = await parked(rabbit, queue)
    assert dead.headers["ringfence-reason"] == "unknown_account"
    assert dead.headers["ringfence-attempts"] == 3
    assert dead.headers["ringfence-routing-key"] == f"{queue.name}.x"
    assert dead.body == b"early"


async def test_an_outage_is_waited_out_without_a_hot_loop(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    calls: list[int] = []
    is_down = True

    async def handle(batch: Sequence[Incoming]) -> None:
        calls.append(len(batch))
        if is_down:
            raise ConnectionRefusedError("the books are out of reach")

    async with consume(handle):
        await send(rabbit, queue, *[b"x"] * 20)
        await asyncio.sleep(1)
        assert 5 <= len(calls) <= 15
        assert await rabbit.depth(queue.retry) == 0
        is_down = False
        await eventually(is_empty(rabbit, queue.name, queue.retry, queue.dead))
        await asyncio.sleep(0.2)
    # the last call of the first batch, and what had gathered behind it: each message came through once
    assert await rabbit.depth(queue.name) == 0


async def test_stopping_in_an_outage_loses_nothing(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    async def handle(batch: Sequence[Incoming]) -> None:
        raise ConnectionRefusedError("the books are out of reach")

    async with consume(handle):
        await send(rabbit, queue, *[b"x"] * 20)
        await asyncio.sleep(0.3)

    async def all_are_back() -> bool:
        return await rabbit.depth(queue.name) == 20

    await eventually(all_are_back)


async def test_one_poison_message_is_isolated_and_parked(rabbit: Rabbit, queue: WorkQueue, consume: Consume) -> None:
    done: list[bytes] = []

    async def handle(batch: Sequence[Incoming]) -> None:
        if any(message.body == b"poison" for message in batch):
            raise ValueError("never seen that")
        done.extend(message.body for message in batch)

    good = [b"%d" % number for number in range(300)]
    async with consume(handle):
        await send(rabbit, queue, *good[:150], b"poison", *good[150:])
        await eventually(lambda: len(done) == 300, within_s=5)

        async def one_is_parked() -> bool:
            return await rabbit.depth(queue.dead) == 1

        await eventually(one_is_parked)
    assert sorted(done) == sorted(good)
    (dead,) = await parked(rabbit, queue)
    assert dead.body == b"poison"
    assert dead.headers["ringfence-reason"] == "internal_error"
    assert dead.headers["ringfence-detail"] == "ValueError: never seen that"
    assert dead.headers["ringfence-attempts"] == 3


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
        (HEADERS, nested_table(15_000)),
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


async def test_a_check_nobody_waits_for_any_more_is_dropped(
    rabbit: Rabbit, consume: Consume, stranger: aio_pika.abc.AbstractChannel
) -> None:
    """Contract §2: a check older than its `expiration` (at most 5 s) is dropped, not answered late."""
    checks = work_queue("tests.checks", USAGE, "tests.checks.#", ttl_ms=CHECK_TTL_MS)
    await rabbit.declare(Topology((checks,)))
    seen: list[bytes] = []

    async def handle(batch: Sequence[Incoming]) -> None:
        seen.extend(message.body for message in batch)
        await asyncio.sleep(0.4)

    exchange = await stranger.get_exchange(USAGE)

    async def ask(body: bytes, expiration_s: float | None, *, age_s: float = 0) -> None:
        message = aio_pika.Message(body, expiration=expiration_s, timestamp=time.time() - age_s)
        await exchange.publish(message, "tests.checks.x")

    await ask(b"expired in the queue", 0.1)
    await asyncio.sleep(0.3)
    policy = BatchPolicy(batch_size_max=1, expires_ms=CHECK_TTL_MS)
    async with consume(handle, at=checks, policy=policy):
        await ask(b"first", None)
        await eventually(lambda: seen == [b"first"])
        await ask(b"expires while the first is handled", 0.2)
        await ask(b"sent an hour ago", None, age_s=3600)
        await ask(b"last", 60)
        await eventually(lambda: seen == [b"first", b"last"])
        await eventually(is_empty(rabbit, checks.name))
    assert await rabbit.depth(checks.dead) == 0


async def test_a_check_without_expiration_lives_five_seconds(rabbit: Rabbit) -> None:
    """Contract §2: at most 5 s."""
    checks = work_queue("tests.checks", USAGE, "tests.checks.#", ttl_ms=CHECK_TTL_MS)
    await rabbit.declare(Topology((checks,)))
    await send(rabbit, checks, b"no expiration")
    await rabbit.publish(Message(USAGE, "tests.checks.x", b"a minute", expiration_ms=60_000))
    assert await rabbit.depth(checks.name) == 2
    await asyncio.sleep(5.3)
    assert await rabbit.depth(checks.name) == 0
    assert await rabbit.depth(checks.dead) == 0


async def test_a_side_queue_somebody_deleted_comes_back(
    rabbit: Rabbit, queue: WorkQueue, consume: Consume, stranger: aio_pika.abc.AbstractChannel
) -> None:
    async def handle(batch: Sequence[Incoming]) -> Outcomes:
        return {place: [Dead("invalid_event", "bad")] for place, _ in enumerate(batch)}

    async with consume(handle):
        await asyncio.sleep(0.3)
        await stranger.queue_delete(queue.dead)
        await send(rabbit, queue, b"bad")

        async def it_is_parked() -> bool:
            return await rabbit.depth(queue.dead) == 1

        await eventually(it_is_parked)
