"""A process that stood still does not take what came meanwhile for new (contract §2, over RabbitMQ)."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import aio_pika

from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import Topology, WorkQueue

ROOT = Path(__file__).parents[2]
LISTENER = """
import asyncio, structlog, sys
from shared.messaging.rabbit import Rabbit

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main(url, queue):
    rabbit = Rabbit(url, name="still")
    await rabbit.open()
    subscription = await rabbit.subscribe(queue, prefetch=10)
    print("listening", flush=True)
    while True:
        for message in await subscription.take(10):
            print(message.body.decode(), message.outlived(5_000), flush=True)
            await subscription.ack_through(message)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_came_while_a_process_stood_still_is_as_old_as_it_may_be(
    rabbit: Rabbit, url: str, queue: WorkQueue, stranger: aio_pika.abc.AbstractChannel
) -> None:
    """«A check older than its `expiration` (at most 5 s) is dropped, not answered late», also without a timestamp."""
    await rabbit.declare(Topology((queue,)))
    listener = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LISTENER, url, queue.name, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert listener.stdout is not None

    async def tell(body: bytes) -> None:
        exchange = await stranger.get_exchange("ringfence.usage", ensure=False)
        await exchange.publish(aio_pika.Message(body, expiration=1), routing_key=f"{queue.name}.x")

    async def heard() -> bytes:
        assert listener.stdout is not None
        return (await asyncio.wait_for(listener.stdout.readline(), 20)).strip()

    async def until_fresh(body: bytes) -> None:
        """One that comes while the process runs is as young as it is."""
        answer = b""
        while answer != body + b" False":
            await asyncio.sleep(0.05)
            await tell(body)
            answer = await heard()

    try:
        assert await heard() == b"listening"
        await until_fresh(b"before")
        os.kill(listener.pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        await tell(b"meanwhile")
        await asyncio.sleep(1.2 - (time.monotonic() - stopped_at))  # it grows old: the fact that is waited for is time
        os.kill(listener.pid, signal.SIGCONT)
        assert await heard() == b"meanwhile True"
        await until_fresh(b"after")
    finally:
        os.kill(listener.pid, signal.SIGCONT)
        listener.kill()
        await listener.wait()
