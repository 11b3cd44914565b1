"""A broker of this suite's own, since its tests kill it, and foreign clients that are not ours."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import pytest
import structlog

from deploy.local.rabbitmq import PrivateBroker
from shared.messaging.batch import BatchConsumer, BatchPolicy, HandleBatch
from shared.messaging.giving_up import RetryPolicy
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE, WorkQueue, work_queue
from tests.transports.cutting_proxy import CuttingProxy
from tests.transports.steps import Consume

CACHE = Path(__file__).parents[2] / ".ringfence"
numbers = itertools.count()
QUICK = BatchPolicy(retry=RetryPolicy(delays_s=(0.3, 0.3)), outage_pauses_s=(0.05, 0.1))
log = structlog.get_logger(__name__)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateBroker]:
    """A running broker; tests may kill and start it, and leave it running."""
    CACHE.mkdir(exist_ok=True)
    server = PrivateBroker(tmp_path_factory.mktemp("broker"), CACHE, log.info)
    asyncio.run(server.prepare(keep_data=False))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def url(server: PrivateBroker) -> str:
    return server.urls["operator"]


@pytest.fixture
async def rabbit(url: str) -> AsyncIterator[Rabbit]:
    rabbit = Rabbit(url, name="test")
    await rabbit.open()
    yield rabbit
    await rabbit.close()


@pytest.fixture
def queue() -> WorkQueue:
    """A work queue of this test alone; what is published under its name reaches it.

    It is left behind: in 3.10, deleting at-least-once queues while a restarted broker elects their leaders
    takes down the supervisor of all dead-lettering, and with it every queue that has some.
    """
    name = f"tests.queue_{next(numbers)}"
    return work_queue(name, USAGE, f"{name}.#")


@pytest.fixture
async def stranger(url: str) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of somebody else's client: it publishes as a platform would."""
    connection = await aio_pika.connect(url)
    async with connection:
        yield await connection.channel()


@pytest.fixture
async def proxy(server: PrivateBroker) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def consume(rabbit: Rabbit, queue: WorkQueue) -> Consume:
    @asynccontextmanager
    async def consume(
        handle: HandleBatch, *, policy: BatchPolicy = QUICK, broker: Rabbit = rabbit, at: WorkQueue = queue
    ) -> AsyncIterator[BatchConsumer]:
        consumer = BatchConsumer(broker, at, handle, policy=policy)
        await consumer.start()
        try:
            yield consumer
        finally:
            async with asyncio.timeout(10):
                await consumer.stop()

    return consume
