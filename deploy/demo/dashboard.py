"""The dashboard: a user of the broker that may read `ringfence.events` and nothing else. It believes what it hears."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from deploy.demo.wire import NotAsWritten

EVENTS: Final = "ringfence.events"
PATIENCE_SECONDS: Final = 15

Event = dict[str, Any]


class Dashboard:
    """Everything heard per account, in the order heard, and of each balance the newest version."""

    def __init__(self) -> None:
        self.heard = 0
        self._events: dict[str, list[Event]] = defaultdict(list)
        self._balances: dict[str, Event] = {}
        self._news = asyncio.Condition()

    async def hear(self, message: AbstractIncomingMessage) -> None:
        event = json.loads(message.body)
        account_id = event["data"]["account_id"]
        async with self._news:
            self.heard += 1
            self._events[account_id].append(event)
            known = self._balances.get(account_id)
            if event["type"] == "balance_changed" and (known is None or event["data"]["version"] >= known["version"]):
                self._balances[account_id] = event["data"]
            self._news.notify_all()

    def balance(self, account_id: str) -> Event:
        """The newest balance heard of."""
        return self._balances[account_id]

    async def until(self, account_id: str, is_it: Callable[[Event], bool], *, what: str) -> Event:
        """The first event of this account that is the one; raises NotAsWritten when it does not come."""

        def found() -> Event | None:
            return next((event for event in self._events[account_id] if is_it(event)), None)

        try:
            async with self._news, asyncio.timeout(PATIENCE_SECONDS):
                while (event := found()) is None:
                    await self._news.wait()
                return event
        except TimeoutError:
            raise NotAsWritten(f"the dashboard heard nothing of {what} ({account_id})") from None

    async def settled(self, account_id: str, ref_id: str) -> Event:
        """The balance news that told of this call or message."""
        return await self.until(account_id, lambda event: ref_id in event["data"].get("settled", ()), what=ref_id)

    async def transaction(self, account_id: str, is_it: Callable[[Event], bool], *, what: str) -> Event:
        """The first transaction that balance news carried and that is the one."""

        def carried(event: Event) -> Event | None:
            return next(filter(is_it, event["data"].get("transactions", ())), None)

        news = await self.until(account_id, lambda event: carried(event) is not None, what=what)
        entry = carried(news)
        assert entry is not None
        return entry


@asynccontextmanager
async def watching(amqp_url: str) -> AsyncIterator[Dashboard]:
    """A dashboard on a queue of its own, until the block ends."""
    dashboard = Dashboard()
    async with await aio_pika.connect(amqp_url, timeout=10) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS, routing_key="#")
        await queue.consume(dashboard.hear, no_ack=True)
        yield dashboard
