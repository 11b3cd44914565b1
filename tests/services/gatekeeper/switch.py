"""A switch that asks over RabbitMQ, as a platform would: plain aio-pika, the platform's own user."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.messaging.topology import CHECKS

REPLY_TO = "amq.rabbitmq.reply-to"


class Switch:
    """`await switch.ask("call", body)` → the answer, its correlation id already checked."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        queue = await self.channel.get_queue(REPLY_TO, ensure=False)
        await queue.consume(self._take, no_ack=True)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._waiting.pop(message.correlation_id or "").set_result(orjson.loads(message.body))

    async def ask(self, kind: str, body: Any) -> dict[str, Any]:
        correlation_id = f"ask-{next(self._numbers)}"
        answer = self._waiting[correlation_id] = asyncio.get_running_loop().create_future()
        await self.tell(kind, body, reply_to=REPLY_TO, correlation_id=correlation_id)
        return await asyncio.wait_for(answer, 5)

    async def tell(self, kind: str, body: Any, **properties: Any) -> None:
        written = body if isinstance(body, bytes) else orjson.dumps(body)
        exchange = await self.channel.get_exchange(CHECKS, ensure=False)
        await exchange.publish(aio_pika.Message(written, **properties), routing_key=f"check.{kind}")


@asynccontextmanager
async def switch_on(url: str) -> AsyncIterator[Switch]:
    connection = await aio_pika.connect(url)
    async with connection:
        switch = Switch(await connection.channel(publisher_confirms=False))
        await switch.listen()
        yield switch
