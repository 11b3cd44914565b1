"""The wires of a phone platform: plain httpx and plain aio-pika, as anyone would write them. Nothing here is ours."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage

USAGE: Final = "ringfence.usage"
CHECKS: Final = "ringfence.checks"
REPLY_TO: Final = "amq.rabbitmq.reply-to"
CHECK_EXPIRES_SECONDS: Final = 5
ANSWER_SECONDS: Final = 10


class NotAsWritten(Exception):
    """Something answered otherwise than the day's script says; the message tells both."""


class Http:
    """The API with the platform key, or with another where one is named."""

    def __init__(self, client: httpx.AsyncClient, platform_key: str) -> None:
        self._client = client
        self._platform_key = platform_key

    async def ask(
        self, method: str, path: str, body: Any = None, *, wants: int = 200, key: str | None = None, **headers: str
    ) -> Any:
        """The JSON of the answer. Raises NotAsWritten when its status is another than the one wanted."""
        return await self.either(method, path, body, statuses=(wants,), key=key, **headers)

    async def either(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        statuses: tuple[int, ...],
        key: str | None = None,
        **headers: str,
    ) -> Any:
        """The same where several statuses will do."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await self._client.request(
            method, path, json=body, headers={"Authorization": f"Bearer {key or self._platform_key}", **named}
        )
        if answer.status_code not in statuses:
            raise NotAsWritten(f"{method} {path} answered {answer.status_code}, not {statuses}: {answer.text[:400]}")
        return answer.json() if answer.content else None

    async def submit(self, url: str, form: dict[str, str]) -> None:
        """What a customer's browser does with a page of the bank."""
        answer = await self._client.post(url, data=form)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise NotAsWritten(f"{url} answered {answer.status_code}")


class Publisher:
    """Usage out, with confirms; checks out and their answers back, over direct reply-to."""

    def __init__(self, channel: AbstractChannel, usage: AbstractExchange, checks: AbstractExchange) -> None:
        self._channel = channel
        self._usage = usage
        self._checks = checks
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def listen(self) -> None:
        answers = await self._channel.get_queue(REPLY_TO, ensure=False)
        await answers.consume(self._hear, no_ack=True)

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.pop(message.correlation_id or "", None)
        if waiting is not None and not waiting.done():
            waiting.set_result(json.loads(message.body))

    async def publish(self, events: dict[str, Any] | list[dict[str, Any]]) -> None:
        """One event, or several in one message; returns when the broker has them safe."""
        first = events[0] if isinstance(events, list) else events
        await self._usage.publish(_message(events), routing_key=first["type"])

    async def check(self, kind: str, body: dict[str, Any], *, correlation_id: str) -> dict[str, Any]:
        """What HTTP would have answered, with `status` in it."""
        waiting = self._waiting[correlation_id] = asyncio.get_running_loop().create_future()
        message = _message(body, reply_to=REPLY_TO, correlation_id=correlation_id, expiration=CHECK_EXPIRES_SECONDS)
        await self._checks.publish(message, routing_key=f"check.{kind}")
        return await asyncio.wait_for(waiting, ANSWER_SECONDS)


def _message(body: object, **properties: Any) -> aio_pika.Message:
    return aio_pika.Message(
        json.dumps(body).encode(),
        content_type="application/cloudevents+json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        **properties,
    )


@asynccontextmanager
async def wires(http_url: str, platform_key: str, amqp_url: str) -> AsyncIterator[tuple[Http, Publisher]]:
    """Both, until the block ends."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=http_url, timeout=30, trust_env=False))
        connection = await stack.enter_async_context(await aio_pika.connect(amqp_url, timeout=10))
        channel = await connection.channel(publisher_confirms=True)
        publisher = Publisher(
            channel, await channel.get_exchange(USAGE, ensure=False), await channel.get_exchange(CHECKS, ensure=False)
        )
        await publisher.listen()
        yield Http(client, platform_key), publisher
