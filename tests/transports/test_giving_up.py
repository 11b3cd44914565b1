"""Retry, parking and isolation: nothing is retried in a hot loop, nothing is dropped."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence

import aio_pika

from shared.messaging.messages import Dead, Incoming, Outcomes, Retry
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import WorkQueue
from tests.transports.steps import Consume, eventually, is_empty, parked, send


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
