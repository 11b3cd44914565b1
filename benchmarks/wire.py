"""The platform's wire: usage out with confirms, `balance_changed` back, and how long each event took in between."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import aiormq
import orjson
from aiormq.abc import DeliveredMessage

from benchmarks.system import ACCOUNTS
from benchmarks.traffic import account_ids, call_ended
from shared.clock import SystemClock
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import EVENTS, USAGE

SETTLE_SECONDS_MAX = 60.0


class Wire:
    """Remembers when each call was due to be told, until a balance event names it as settled."""

    def __init__(self, broker: Rabbit) -> None:
        self._broker = broker
        self._due: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()
        self._all_settled = asyncio.Event()
        self.latencies_ms: list[float] = []
        self.heard = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator["Wire"]:
        """Connected and listening with a queue of its own, as a dashboard does."""
        broker = Rabbit(url, name="bench")
        await broker.open()
        listening = await aiormq.connect(url)
        try:
            wire = cls(broker)
            channel = await listening.channel(publisher_confirms=False)
            queue = await channel.queue_declare("", exclusive=True, auto_delete=True)
            assert queue.queue is not None
            await channel.queue_bind(queue.queue, EVENTS, "balance_changed.#")
            await channel.basic_consume(queue.queue, wire._hear, no_ack=True)
            yield wire
        finally:
            await listening.close()
            await broker.close()

    async def _hear(self, message: DeliveredMessage) -> None:
        now = self._loop.time()
        self.heard += 1
        for call_id in orjson.loads(message.body)["data"]["settled"]:
            due = self._due.pop(call_id, None)
            if due is not None:
                self.latencies_ms.append((now - due) * 1000)
        if not self._due:
            self._all_settled.set()

    async def publish(
        self, calls: Sequence[tuple[str, str]], per_message: int, due: float, *, talk_seconds: int | None = None
    ) -> None:
        """Tell these (account_id, call_id), so many in a message; returns when the broker has them safe."""
        now = SystemClock().now()
        self._all_settled.clear()
        for _, call_id in calls:
            self._due[call_id] = due
        events = [call_ended(account_id, call_id, now, talk_seconds) for account_id, call_id in calls]
        bodies = (
            [orjson.dumps(event) for event in events]
            if per_message == 1
            else [orjson.dumps(events[at : at + per_message]) for at in range(0, len(events), per_message)]
        )
        problems = await self._broker.publish_many([Message(USAGE, "call.ended", body) for body in bodies])
        assert not any(problems), problems

    def publisher_of_singles(
        self, label: str, of: Sequence[str] | None = None
    ) -> Callable[[int, float], Awaitable[None]]:
        """For `pace`: one event a message, over these accounts in turn, or over all."""
        everyone = of or account_ids(ACCOUNTS)
        told = 0

        async def publish(count: int, due: float) -> None:
            nonlocal told
            calls = [(everyone[place % len(everyone)], f"{label}-{place}") for place in range(told, told + count)]
            told += count
            await self.publish(calls, 1, due)

        return publish

    async def all_settled(self) -> None:
        """Every call that was told has been named by a balance event."""
        if self._due:
            await asyncio.wait_for(self._all_settled.wait(), SETTLE_SECONDS_MAX)
