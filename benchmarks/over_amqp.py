"""The gate over RabbitMQ, beside an echo that the same client asks the same way."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiormq
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp.commands import Basic

from benchmarks import echo
from benchmarks.cpu import Micros, mean_micros
from benchmarks.figures import Figure, Pair, Spread, median_figure
from benchmarks.pace import check_body
from benchmarks.stage import Stage, child
from benchmarks.system import System
from shared.messaging.topology import CHECKS

ROUNDS = 3
IN_FLIGHT = 128
ASKED = 4_000
REPLY_TO = "amq.rabbitmq.reply-to"

First = TypeVar("First")
Second = TypeVar("Second")


async def measure(stage: Stage, running: System) -> list[Figure]:
    pairs: list[Pair] = []
    spreads: list[Spread] = []
    spent: list[Micros] = []
    asked = stage.many(ASKED)
    async with child(stage, "echo", "benchmarks.echo", [], running.url):
        connection = await aiormq.connect(stage.amqp_url)
        try:
            channel = await connection.channel(publisher_confirms=False)
            assert isinstance(channel, Channel)
            asker = _Asker(channel)
            await channel.basic_consume(REPLY_TO, asker.hear, no_ack=True)
            await asker.ask("", echo.QUEUE.name, asked // 4, lambda place: b"{}")
            await asker.ask(CHECKS, "check.call", asked // 4, _checks("warm"))
            for turn in range(stage.rounds(ROUNDS)):
                most = await asker.ask("", echo.QUEUE.name, asked, lambda place: check_body(place, "echo").encode())
                running.meter.begin()
                gate = await asker.ask(CHECKS, "check.call", asked, _checks(f"amqp-{turn}"))
                spent.append(running.meter.micros(asked))
                pairs.append(Pair(gate, most))
                spreads.append(Spread.of(asker.latencies_ms))
        finally:
            await connection.close()
    return [
        median_figure(
            f"gate over RabbitMQ, {IN_FLIGHT} in flight",
            pairs,
            unit="checks/s",
            limit_is="/s, echo with the same client",
            target=0.3,
            spread=Spread.middle(spreads),
            cpu=mean_micros(spent),
        )
    ]


def _checks(label: str) -> Callable[[int], bytes]:
    return lambda place: check_body(place, label).encode()


class _Asker:
    """Keeps so many requests in flight over direct reply-to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._answered = 0
        self._news = asyncio.Event()
        self._asked: dict[str, float] = {}
        self.latencies_ms: list[float] = []

    async def hear(self, answer: DeliveredMessage) -> None:
        asked = self._asked.pop(answer.header.properties.correlation_id or "")
        self.latencies_ms.append((asyncio.get_running_loop().time() - asked) * 1000)
        self._answered += 1
        self._room.release()
        self._news.set()

    async def ask(self, exchange: str, routing_key: str, count: int, body: Callable[[int], bytes]) -> float:
        """Answers per second; `latencies_ms` are those of this call."""
        loop = asyncio.get_running_loop()
        self._answered = 0
        self.latencies_ms.clear()
        began = loop.time()
        for place in range(count):
            await self._room.acquire()
            self._asked[str(place)] = loop.time()
            properties = Basic.Properties(reply_to=REPLY_TO, correlation_id=str(place), expiration="5000")
            await self._channel.basic_publish(
                body(place), exchange=exchange, routing_key=routing_key, properties=properties, wait=False
            )
        while self._answered < count:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 30)
        return count / (loop.time() - began)


async def both(first: Awaitable[First], second: Awaitable[Second]) -> tuple[First, Second]:
    """Side by side, in this loop."""
    one, other = await asyncio.gather(first, second)
    return one, other
