"""Who hears everything Ringfence says: a durable queue of our own, which outlives a killed broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import orjson

from shared.messaging.topology import EVENTS

QUEUE = "dashboard.witness"


class Witness:
    """Ids of all events heard; the latest balance of each account by version, as a dashboard keeps it."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self.twice = 0
        self.latest: dict[str, tuple[int, int]] = {}

    async def hear(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        event = orjson.loads(message.body)
        self.twice += event["id"] in self.heard
        self.heard.add(event["id"])
        data = event["data"]
        if "version" in data and "balance_cents" in data:  # balance_changed, or a suspension, which says the same
            known = self.latest.get(data["account_id"], (-1, 0))
            self.latest[data["account_id"]] = max(known, (data["version"], data["balance_cents"]))
        await message.ack()


@asynccontextmanager
async def listening(amqp_url: str) -> AsyncIterator[Witness]:
    """From now on; past every proxy."""
    witness = Witness()
    connection = await aio_pika.connect_robust(amqp_url, reconnect_interval=0.5)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=500)
        exchange = await channel.declare_exchange(EVENTS, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.purge()
        await queue.bind(exchange, "#")
        await queue.consume(witness.hear)
        yield witness
        await queue.delete(if_unused=False, if_empty=False)
