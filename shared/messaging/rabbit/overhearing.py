"""Overhearing: a queue of our own connection's, gone with it; what is said meanwhile is not heard."""

import asyncio
from collections.abc import Callable

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from aiormq.connection import Connection

from shared.messaging.errors import MessagingError
from shared.messaging.messages import Incoming
from shared.messaging.rabbit.link import CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S, GONE, Link
from shared.messaging.rabbit.publisher import close_quietly
from shared.messaging.rabbit.subscription import incoming

PAUSE_S = 0.5
QUEUE_LENGTH_MAX = 10_000
"""Of what nobody will take any more, while we are slow, the broker forgets the oldest."""

log = structlog.get_logger(__name__)

Heard = Callable[[Incoming], None]


class RabbitOverhearing:
    """An `Overhearing`: server-named, exclusive, auto-delete, without acknowledgements; anew after every cut."""

    def __init__(self, link: Link, exchange: str, routing_key: str, heard: Heard) -> None:
        self._link = link
        self._exchange = exchange
        self._routing_key = routing_key
        self._heard = heard
        self._channel: Channel | None = None
        self._listening = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(), name=f"amqp overhearing {exchange}")

    async def listening(self) -> None:
        await self._listening.wait()

    async def close(self) -> None:
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        await close_quietly(self._channel, CLOSE_TIMEOUT_S)
        self._channel = None

    async def _keep(self) -> None:
        while True:
            try:
                connection = await self._link.connection(CONNECT_TIMEOUT_S)
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    channel = await self._listen(connection)
            except (MessagingError, *GONE) as error:
                log.warning("overhearing_waits_for_broker", exchange=self._exchange, error=str(error))
                await asyncio.sleep(PAUSE_S)
            else:
                self._listening.set()
                await asyncio.wait([channel.closing])
                self._listening.clear()
                log.warning("overhearing_lost", exchange=self._exchange)

    async def _listen(self, connection: Connection) -> Channel:
        channel = await connection.channel(publisher_confirms=False)
        assert isinstance(channel, Channel)
        try:
            made = await channel.queue_declare(
                "", exclusive=True, auto_delete=True, arguments={"x-max-length": QUEUE_LENGTH_MAX}
            )
            queue = made.queue or ""
            await channel.queue_bind(queue, self._exchange, self._routing_key)
            channel.on_consumer_cancel_callbacks.add(lambda _: close_quietly(channel, CLOSE_TIMEOUT_S))
            self._channel = channel
            await channel.basic_consume(queue, self._arrive, no_ack=True)
        except BaseException:
            await close_quietly(channel, CLOSE_TIMEOUT_S)
            raise
        return channel

    async def _arrive(self, delivered: DeliveredMessage) -> None:
        if delivered.channel is self._channel:
            self._heard(incoming(delivered))
