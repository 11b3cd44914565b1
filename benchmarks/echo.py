"""Answers every message of one queue with 200 bytes, through the same adapter as the gate does."""

import asyncio
import os
from collections.abc import Sequence

import uvloop

from shared.messaging.batch import BatchConsumer, BatchPolicy
from shared.messaging.messages import Incoming
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import CHECK_TTL_MS, WorkQueue

QUEUE = WorkQueue("bench.echo", (), CHECK_TTL_MS)
ANSWER = b"x" * 200


async def _serve() -> None:
    broker = Rabbit(os.environ["RINGFENCE_AMQP_URL"], name="bench echo")
    await broker.open()

    async def answer(batch: Sequence[Incoming]) -> None:
        await broker.reply([(message, ANSWER) for message in batch])

    consumer = BatchConsumer(broker, QUEUE, answer, policy=BatchPolicy(prefetch=512))
    await consumer.start()
    # The stage waits until somebody answers on the port it chose.
    port = int(os.environ["RINGFENCE_HTTP_PORT"])
    server = await asyncio.start_server(_ok, "127.0.0.1", port)
    await server.serve_forever()


async def _ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


if __name__ == "__main__":
    uvloop.run(_serve())
