"""Each broker user may do its part and nothing else: contract §0, design §5 "Least privilege per user"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aio_pika
import pytest
import pytest_asyncio
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused
from pamqp.common import FieldTable

from deploy.local.servers import Servers
from deploy.rabbitmq.definitions import USERS

REPLY_TO = "amq.rabbitmq.reply-to"
QUEUE = "gatekeeper.rights"
EXCHANGES = tuple(f"ringfence.{name}" for name in ("usage", "checks", "ops", "events", "ticks", "news"))
MAY_WRITE = {"platform": {"ringfence.usage", "ringfence.checks"}, "dashboard": set[str](), "ops": {"ringfence.ops"}}
OUTSIDERS = tuple(user for user in USERS if user != "operator")

Attempt = Callable[[AbstractChannel], Awaitable[object]]
Connect = Callable[[str], Awaitable[AbstractChannel]]


@pytest_asyncio.fixture
async def channel_of(servers: Servers) -> AsyncIterator[Connect]:
    connections = []

    async def connect(user: str) -> AbstractChannel:
        connection = await aio_pika.connect(servers.amqp_urls[user])
        connections.append(connection)
        return await connection.channel()

    yield connect
    for connection in connections:
        await connection.close()


@pytest_asyncio.fixture
async def topology(channel_of: Connect) -> AbstractChannel:
    """What the services declare, as far as rights are concerned: the exchanges and one work queue."""
    channel = await channel_of("operator")
    for name in EXCHANGES:
        await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind("ringfence.checks", "#")
    return channel


@pytest.mark.parametrize("user", OUTSIDERS)
@pytest.mark.parametrize("exchange", [*EXCHANGES, "", "amq.topic"])
async def test_a_user_publishes_only_where_it_belongs(
    topology: AbstractChannel, channel_of: Connect, user: str, exchange: str
) -> None:
    """ "the platform writes `ringfence.usage` and `ringfence.checks` … ops write `ringfence.ops`"."""
    if exchange in MAY_WRITE[user]:
        await publish(await channel_of(user), exchange, "a.key")
    else:
        await refused(await channel_of(user), lambda channel: publish(channel, exchange, QUEUE))


@pytest.mark.parametrize("user", OUTSIDERS)
async def test_nobody_but_the_services_reads_or_removes_their_queues(
    topology: AbstractChannel, channel_of: Connect, user: str
) -> None:
    await refused(await channel_of(user), consume(QUEUE))
    await refused(await channel_of(user), lambda channel: channel.queue_delete(QUEUE))


@pytest.mark.parametrize(
    ("user", "queue"),
    [("platform", "dashboard.mine"), ("platform", "ringfence.mine"), ("ops", ""), ("ops", "dashboard.mine")],
)
async def test_platform_and_ops_have_no_queues_of_their_own_naming(channel_of: Connect, user: str, queue: str) -> None:
    await refused(await channel_of(user), lambda channel: channel.declare_queue(queue, exclusive=True))


async def test_the_platform_gets_answers_in_a_server_named_queue(
    topology: AbstractChannel, channel_of: Connect
) -> None:
    """ "With `reply_to` (direct reply-to or a server-named `amq.gen-*` queue …) the HTTP body comes back"."""
    platform = await channel_of("platform")
    own = await platform.declare_queue("", exclusive=True)
    assert own.name.startswith("amq.gen-")
    await topology.default_exchange.publish(aio_pika.Message(b"allowed"), own.name)
    answer = await own.get(timeout=10)
    assert answer is not None
    await answer.ack()
    assert answer.body == b"allowed"


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_the_platform_hears_nothing_in_its_queue_but_answers(
    topology: AbstractChannel, channel_of: Connect, exchange: str
) -> None:
    platform = await channel_of("platform")
    own = await platform.declare_queue("", exclusive=True)
    await refused(platform, lambda _: own.bind(exchange, "#"))


@pytest.mark.parametrize("dead_letter_exchange", ["", "ringfence.ops", "ringfence.events", "ringfence.ticks"])
async def test_the_platform_cannot_write_by_dead_lettering(
    topology: AbstractChannel, channel_of: Connect, dead_letter_exchange: str
) -> None:
    arguments: FieldTable = {"x-dead-letter-exchange": dead_letter_exchange, "x-dead-letter-routing-key": QUEUE}
    await refused(
        await channel_of("platform"),
        lambda channel: channel.declare_queue("", exclusive=True, arguments=arguments),
    )


async def test_the_platform_gets_answers_by_direct_reply_to(topology: AbstractChannel, channel_of: Connect) -> None:
    """ "`RINGFENCE_AMQP_PLATFORM_URL` (may write `ringfence.usage`, `ringfence.checks`, use direct reply-to)"."""

    async def answer(asked: AbstractIncomingMessage) -> None:
        await asked.ack()
        if asked.reply_to:
            await topology.default_exchange.publish(aio_pika.Message(b"allowed"), asked.reply_to)

    await (await topology.get_queue(QUEUE)).consume(answer)
    platform = await channel_of("platform")
    answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    replies = await platform.get_queue(REPLY_TO, ensure=False)

    async def keep(reply: AbstractIncomingMessage) -> None:
        answered.set_result(reply.body)

    await replies.consume(keep, no_ack=True)
    await publish(platform, "ringfence.checks", "check.call", reply_to=REPLY_TO)
    assert await asyncio.wait_for(answered, 10) == b"allowed"


@pytest.mark.parametrize("name", ["", "dashboard.wallboard"])
async def test_a_dashboard_reads_events_from_its_own_or_a_server_named_queue(
    topology: AbstractChannel, channel_of: Connect, name: str
) -> None:
    """ "dashboards bind `dashboard.*` or server-named queues to `ringfence.events`"."""
    dashboard = await channel_of("dashboard")
    queue = await dashboard.declare_queue(name, exclusive=True)
    await queue.bind("ringfence.events", "balance_changed.#")
    await publish(topology, "ringfence.events", "balance_changed.acc_1")
    got = await queue.get(timeout=10)
    assert got is not None
    await got.ack()


@pytest.mark.parametrize("exchange", ["ringfence.usage", "ringfence.checks", "ringfence.ops", "ringfence.ticks"])
async def test_a_dashboard_listens_to_nothing_but_events(
    topology: AbstractChannel, channel_of: Connect, exchange: str
) -> None:
    dashboard = await channel_of("dashboard")
    queue = await dashboard.declare_queue(exclusive=True)
    await refused(dashboard, lambda _: queue.bind(exchange, "#"))


@pytest.mark.parametrize("dead_letter_exchange", ["", "ringfence.usage", "ringfence.events"])
async def test_a_dashboard_cannot_write_by_dead_lettering(
    topology: AbstractChannel, channel_of: Connect, dead_letter_exchange: str
) -> None:
    arguments: FieldTable = {"x-dead-letter-exchange": dead_letter_exchange, "x-dead-letter-routing-key": QUEUE}
    await refused(
        await channel_of("dashboard"),
        lambda channel: channel.declare_queue(exclusive=True, arguments=arguments),
    )


async def test_the_definitions_as_they_are_let_nobody_in(servers: Servers) -> None:
    """No secret in the file, and no empty password either: the broker holds only the hashes we filled in."""
    address = servers.amqp_urls["platform"].rpartition("@")[2]
    for password in ("", "platform", "guest"):
        with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
            await aio_pika.connect(f"amqp://platform:{password}@{address}")


async def publish(channel: AbstractChannel, exchange: str, key: str, **properties: str) -> None:
    target = channel.default_exchange if exchange == "" else await channel.get_exchange(exchange, ensure=False)
    await target.publish(aio_pika.Message(b"{}", **properties), key, mandatory=False)  # type: ignore[arg-type]


def consume(name: str) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(name, ensure=False)
        await queue.consume(_nothing)

    return attempt


async def refused(channel: AbstractChannel, attempt: Attempt) -> None:
    with pytest.raises(ChannelAccessRefused):
        await attempt(channel)


async def _nothing(_: AbstractIncomingMessage) -> None:
    return
