"""What every test may use: the real servers, a database of its own, a quiet broker, hosted services.

One PostgreSQL and one RabbitMQ serve the whole run. Each test gets its own database, cloned from a migrated
template, and empty queues.
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import aiormq
import asyncpg
import httpx
import pytest

from deploy.local.servers import Servers, private_servers
from services.commands.payment_provider import hold_of_clock, payment_provider
from services.everything import QUEUES, SERVICES
from shared.messaging.topology import dead_queue, retry_queue
from shared.postgres.migrations import migrate
from shared.runtime import Hosted, host
from shared.service import Service
from shared.settings import Settings

FOLDER = Path(__file__).parents[1] / ".ringfence" / "test"
PLATFORM_KEY = "rf_platform_for_the_tests"
TRIES_MAX = 20

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with private_servers(FOLDER, keep_data=False, report=print, if_busy="next") as started:
        yield started


@pytest.fixture(scope="session")
async def template_url(servers: Servers) -> str:
    """A migrated database that tests clone."""
    url = await _fresh_database(servers.postgres_url, "ringfence_template")
    await migrate(url, role_prefix="ringfence_test")
    return url


@pytest.fixture
async def database_url(servers: Servers, template_url: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    name = f"ringfence_test_{next(_numbers)}"
    yield await _fresh_database(servers.postgres_url, name, template="ringfence_template")
    admin = await asyncpg.connect(servers.postgres_url)
    # An autovacuum worker may be in it, which we may not end; then the database goes with the server.
    with suppress(asyncpg.InsufficientPrivilegeError):
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


@pytest.fixture
async def amqp_url(servers: Servers) -> str:
    """The operator's address of a broker whose queues are empty."""
    url = servers.amqp_urls["operator"]
    await empty_queues(url)
    return url


async def empty_queues(url: str) -> None:
    """What an earlier test left in the broker is gone."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        for name in (name for queue in QUEUES for name in (queue, retry_queue(queue), dead_queue(queue))):
            try:
                await (await channel.get_queue(name, ensure=False)).purge()
            except (aio_pika.exceptions.ChannelNotFoundEntity, aiormq.exceptions.ChannelInvalidStateError):
                channel = await connection.channel()  # no such queue yet, which closes the channel


@pytest.fixture
def settings(database_url: str, amqp_url: str) -> Settings:
    return Settings(
        postgres_url=database_url,
        amqp_url=amqp_url,
        http_port=0,
        test_clock=True,
        platform_key=PLATFORM_KEY,
        rate_limit_per_second=0,
    )


HostServices = Callable[..., Awaitable[Hosted]]


@pytest.fixture
async def host_services(settings: Settings, tmp_path: Path) -> AsyncIterator[HostServices]:
    """`await host_services(LEDGER, GATEKEEPER)` hosts them until the test ends; without names, all."""
    async with AsyncExitStack() as stack:

        async def start(*services: Service, **changes: object) -> Hosted:
            chosen = services or SERVICES
            wanted = settings.model_copy(update=changes)
            provider = await stack.enter_async_context(payment_provider(tmp_path, chosen, wanted))
            hosted = await stack.enter_async_context(host(chosen, provider.settings))
            hold_of_clock(provider, hosted.host.clock)
            return hosted

        yield start


@pytest.fixture
async def ringfence(host_services: HostServices) -> Hosted:
    """The whole system, running."""
    return await host_services()


class AsksAgain(httpx.AsyncHTTPTransport):
    """On a machine that is too busy the gate fails closed: 503 with `Retry-After`, and a platform asks again."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(TRIES_MAX):
            answer = await super().handle_async_request(request)
            if answer.status_code != 503 or not request.url.path.startswith("/v1/checks/"):
                break
            await answer.aread()
        return answer


@pytest.fixture
async def platform(ringfence: Hosted) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client that holds the platform key."""
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(base_url=ringfence.url, headers=headers, timeout=30, transport=AsksAgain()) as client:
        yield client


async def _fresh_database(server_url: str, name: str, *, template: str = "template1") -> str:
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await admin.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
