"""The whole way: publish, quorum queue, committed books, `balance_changed` received; and the broker alone beside it."""

import asyncio
from dataclasses import dataclass, field
from statistics import median

from benchmarks.cpu import Micros, mean_micros
from benchmarks.figures import Figure, Spread
from benchmarks.limits import Limits
from benchmarks.pace import pace
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
CALM_PER_SECOND = 300
CALM_SECONDS = 10
LIMIT_QUEUE = WorkQueue("bench.limit", ())


@dataclass
class _Runs:
    """What three rounds gave."""

    broker: list[float] = field(default_factory=list)
    singles: list[float] = field(default_factory=list)
    batched: list[float] = field(default_factory=list)
    calm: list[Spread] = field(default_factory=list)
    spent_single: list[Micros] = field(default_factory=list)
    spent_batched: list[Micros] = field(default_factory=list)
    spent_calm: list[Micros] = field(default_factory=list)


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    runs = _Runs()
    singles, batched = stage.many(SINGLES), stage.many(BATCHED, whole=PER_MESSAGE)
    seconds = stage.seconds(CALM_SECONDS)
    async with system(stage) as running, Wire.open(stage.amqp_url) as wire:
        await _flood(wire, "warm", 500, 1, ACCOUNTS_OF_SINGLES)
        for turn in range(stage.rounds(ROUNDS)):
            runs.broker.append(await _broker_alone(stage, stage.many(SINGLES, whole=WRITE_AT_ONCE)))
            running.meter.begin()
            runs.singles.append(await _flood(wire, f"single-{turn}", singles, 1, ACCOUNTS_OF_SINGLES))
            runs.spent_single.append(running.meter.micros(singles))
            running.meter.begin()
            runs.batched.append(await _flood(wire, f"batch-{turn}", batched, PER_MESSAGE, HOT_ACCOUNTS))
            runs.spent_batched.append(running.meter.micros(batched))
            wire.latencies_ms.clear()
            running.meter.begin()
            await pace(CALM_PER_SECOND, seconds, wire.publisher_of_singles(f"calm-{turn}"))
            await wire.all_settled()
            runs.calm.append(Spread.of(wire.latencies_ms))
            runs.spent_calm.append(running.meter.micros(CALM_PER_SECOND * seconds))
        await running.audit()
    return _figures(runs)


def _figures(runs: _Runs) -> list[Figure]:
    single, broker = median(runs.singles), median(runs.broker)
    calm = Spread.middle(runs.calm)
    return [
        Figure(
            "pipeline, one event a message",
            single,
            "events/s",
            1_500,
            "events/s wanted",
            target=1.0,
            cpu=mean_micros(runs.spent_single),
        ),
        Figure(
            "pipeline beside the broker alone",
            single,
            "events/s",
            broker,
            "/s, published and consumed by the same client",
            target=None,
        ),
        Figure(
            f"pipeline, {PER_MESSAGE} events a message, {HOT_ACCOUNTS} accounts",
            median(runs.batched),
            "events/s",
            12_000,
            "events/s wanted",
            target=1.0,
            cpu=mean_micros(runs.spent_batched),
        ),
        Figure(
            f"pipeline, p99 at {CALM_PER_SECOND}/s",
            calm.p99,
            "ms",
            50,
            "ms, the most allowed",
            target=1.0,
            bound="most",
            spread=calm,
            cpu=mean_micros(runs.spent_calm),
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
