"""The hot consumer: batches, prefetch and acknowledgement, on a real broker."""

import asyncio
import time
from collections.abc import Sequence

import aio_pika

from shared.messaging.batch import BatchConsumer, BatchPolicy
from shared.messaging.messages import Incoming, Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import CHECK_TTL_MS, USAGE, Topology, WorkQueue, work_queue
from tests.transports.steps import Consume, eventually, is_empty, send


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
    await send(rabbit, queue, *[b"xyz"] * 50)
    async with consume(handle, policy=BatchPolicy(batch_size_max=4, prefetch=10)) as consumer:

        async def forty_are_left() -> bool:
            return await rabbit.depth(queue.name) == 40

        await eventually(forty_are_left)
        await asyncio.sleep(0.3)
        assert await rabbit.depth(queue.name) == 40
        assert 6 <= consumer.backlog <= 9, "the first batch is what had come by then"
        assert consumer.backlog_bytes == 3 * consumer.backlog
        may_go_on.set()
        await eventually(is_empty(rabbit, queue.name))


async def test_nothing_is_acknowledged_before_its_batch_is_done(
    url: str, rabbit: Rabbit, queue: WorkQueue, consume: Consume
) -> None:
    """Design §5: ack only after commit."""
    done: list[bytes] = []
    hangs = asyncio.Event()

    async def handle(batch: Sequence[Incoming]) -> None:
        if any(message.body == b"3" for message in batch):
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
    assert b"3" in again
    assert done + again == [b"%d" % number for number in range(9)]
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
    async with rabbit.hold(checks.name) as held:
        assert await held.next() is None
    await eventually(is_empty(rabbit, checks.name))  # a broker that has much to do counts them a little longer
    assert await rabbit.depth(checks.dead) == 0
