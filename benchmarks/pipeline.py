"""The whole way: publish, quorum queue, committed books, `balance_changed` received; and the broker alone beside it."""

import asyncio
from statistics import median

from benchmarks.figures import Figure
from benchmarks.limits import Limits
from benchmarks.pace import pace, percentile
from benchmarks.stage import Stage
from benchmarks.system import system
from benchmarks.traffic import account_ids
from benchmarks.wire import Wire
from shared.messaging.messages import Message
from shared.messaging.port import Subscription
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import Topology, WorkQueue

ROUNDS = 3
SINGLES = 4_000
BATCHED = 40_000
PER_MESSAGE = 100
HOT_ACCOUNTS = 100
ACCOUNTS_OF_SINGLES = 1_000
WRITE_AT_ONCE = 200
CALM_PER_SECOND = 200
CALM_SECONDS = 10
LIMIT_QUEUE = WorkQueue("bench.limit", ())


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    singles: list[float] = []
    broker: list[float] = []
    batched: list[float] = []
    p99s: list[float] = []
    async with system(stage) as running, Wire.open(stage.amqp_url) as wire:
        await _flood(wire, "warm", 500, 1, ACCOUNTS_OF_SINGLES)
        for turn in range(ROUNDS):
            broker.append(await _broker_alone(stage, SINGLES))
            singles.append(await _flood(wire, f"single-{turn}", SINGLES, 1, ACCOUNTS_OF_SINGLES))
            batched.append(await _flood(wire, f"batch-{turn}", BATCHED, PER_MESSAGE, HOT_ACCOUNTS))
            wire.latencies_ms.clear()
            await pace(CALM_PER_SECOND, CALM_SECONDS, wire.publisher_of_singles(f"calm-{turn}"))
            await wire.all_settled()
            p99s.append(percentile(wire.latencies_ms, 99))
        await running.audit()
    return [
        Figure("pipeline, one event a message", median(singles), "events/s", 500, "events/s wanted", target=1.0),
        Figure(
            "pipeline beside the broker alone",
            median(singles),
            "events/s",
            median(broker),
            "/s, published and consumed by the same client",
            target=None,
        ),
        Figure(
            f"pipeline, {PER_MESSAGE} events a message, {HOT_ACCOUNTS} accounts",
            median(batched),
            "events/s",
            8_000,
            "events/s wanted",
            target=1.0,
        ),
        Figure(
            f"pipeline, p99 at {CALM_PER_SECOND}/s",
            median(p99s),
            "ms",
            150,
            "ms, the most allowed",
            target=1.0,
            bound="most",
        ),
    ]


async def _flood(wire: Wire, label: str, count: int, per_message: int, accounts: int) -> float:
    """Events per second from the first publish to the last balance event, everything published as fast as confirmed."""
    loop = asyncio.get_running_loop()
    everyone = account_ids(accounts)
    calls = [(everyone[place % accounts], f"{label}-{place}") for place in range(count)]
    at_once = WRITE_AT_ONCE * per_message if per_message == 1 else 20 * per_message
    began = loop.time()
    for start in range(0, count, at_once):
        await wire.publish(calls[start : start + at_once], per_message, began)
    await wire.all_settled()
    return count / (loop.time() - began)


async def _broker_alone(stage: Stage, count: int) -> float:
    """Messages per second, confirmed into a quorum queue, consumed and acknowledged in one process."""
    loop = asyncio.get_running_loop()
    broker = Rabbit(stage.amqp_url, name="bench limit")
    await broker.open()
    try:
        await broker.declare(Topology((LIMIT_QUEUE,)))
        consumer = await broker.subscribe(LIMIT_QUEUE.name, prefetch=1_000)
        began = loop.time()
        await asyncio.gather(_publish(broker, count), _consume(consumer, count))
        return count / (loop.time() - began)
    finally:
        await broker.close()


async def _publish(broker: Rabbit, count: int) -> None:
    body = b"x" * 400
    for _ in range(0, count, WRITE_AT_ONCE):
        await broker.publish_many([Message("", LIMIT_QUEUE.name, body)] * WRITE_AT_ONCE)


async def _consume(subscription: Subscription, count: int) -> None:
    got = 0
    while got < count:
        batch = await subscription.take(256)
        got += len(batch)
        await subscription.ack_through(batch[-1])
