"""Killed in the middle of it: the ledger, the broker, the database. What was acknowledged is billed, once."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import orjson
import pytest

from deploy.local.servers import Servers
from shared.messaging.errors import MessagingError
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE
from shared.postgres.audit import audit_books
from shared.settings import Settings
from tests.faults.witness import Witness, listening
from tests.processes import ServiceProcess
from tests.usage import call_ended

ACCOUNTS = 100
EVENTS_PER_MESSAGE = 10
COST_MICROS = 180_000


async def open_accounts(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros)"
        " SELECT 'killed-' || n, 'Ada', $1, -1000000000000 FROM generate_series(0, $2) AS n",
        datetime.now(UTC),
        ACCOUNTS - 1,
    )
    await connection.close()


def messages(events: int, duplicates: int, rng: random.Random) -> list[Message]:
    """Calls of a minute each, several to a message, and some of the messages twice."""
    bodies = []
    for start in range(0, events, EVENTS_PER_MESSAGE):
        some = [
            call_ended(f"killed-{rng.randrange(ACCOUNTS)}", f"c{n}", 60, event_id=f"e{n}")
            for n in range(start, min(start + EVENTS_PER_MESSAGE, events))
        ]
        bodies.append(orjson.dumps(some))
    bodies += rng.sample(bodies, duplicates // EVENTS_PER_MESSAGE)
    rng.shuffle(bodies)
    return [Message(USAGE, "call.ended", body) for body in bodies]


async def publish_until_confirmed(broker: Rabbit, waiting: list[Message]) -> None:
    """As a platform should: what was not confirmed is sent again."""
    while waiting:
        try:
            problems = await broker.publish_many(waiting[:50], timeout_s=5)
        except MessagingError:
            await asyncio.sleep(0.3)
            continue
        waiting = [m for m, problem in zip(waiting[:50], problems, strict=True) if problem] + waiting[50:]


async def all_billed(database_url: str, events: int, *, seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        try:
            connection = await asyncpg.connect(database_url, timeout=5)
            billed = await connection.fetchval("SELECT count(*) FROM ledger.usage_events")
            unsaid = await connection.fetchval(
                "SELECT (SELECT count(*) FROM ledger.news) + (SELECT count(*) FROM ledger.outbox)"
            )
            await connection.close()
        except (OSError, asyncpg.PostgresError):
            billed = unsaid = -1
        if billed == events and unsaid == 0:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"billed {billed} of {events}, {unsaid} still to be told")


async def books_are_exact(database_url: str, events: int, witness: Witness) -> None:
    assert (await audit_books(database_url)).findings == ()
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT account_id, version, balance_micros, ledger.floor_cents(balance_micros) AS cents FROM ledger.accounts"
    )
    await connection.close()
    assert sum(row["balance_micros"] for row in rows) == -events * COST_MICROS
    expected = {row["account_id"]: (row["version"], row["cents"]) for row in rows}
    for _ in range(100):
        if witness.latest == expected:
            break
        await asyncio.sleep(0.1)
    assert witness.latest == expected


@pytest.fixture
async def ledger(settings: Settings, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    process = ServiceProcess("ledger", settings, tmp_path / "ledger.log")
    await process.start()
    yield process
    await process.kill()


@asynccontextmanager
async def under_load(
    settings: Settings, database_url: str, rng: random.Random, *, events: int, duplicates: int
) -> AsyncIterator[None]:
    """A platform tells so many events while the block runs; after it all of them must be billed, and told, exactly."""
    await open_accounts(database_url)
    broker = Rabbit(settings.amqp_url)
    await broker.open()
    async with listening(settings.amqp_url) as witness:
        await ledger_is_up(settings)
        await asyncio.sleep(2)  # and at work
        publishing = asyncio.create_task(publish_until_confirmed(broker, messages(events, duplicates, rng)))
        yield
        await publishing
        await all_billed(database_url, events, seconds=90)
        await books_are_exact(database_url, events, witness)
    await broker.close()


@pytest.mark.long
async def test_a_ledger_killed_six_times_bills_everything_once_and_tells_the_last_balance(
    ledger: ServiceProcess, settings: Settings, database_url: str
) -> None:
    """«Each usage event … moves money at most once» and «Every committed change is published at least once»."""
    rng = random.Random(1)
    async with under_load(settings, database_url, rng, events=20_000, duplicates=2_000):
        for _ in range(6):
            await asyncio.sleep(rng.uniform(1.2, 2.0))
            await ledger.kill()
            await ledger.start()


@pytest.mark.long
async def test_broker_and_database_killed_under_load_lose_nothing_that_was_acknowledged(
    ledger: ServiceProcess, settings: Settings, servers: Servers, database_url: str
) -> None:
    """«nothing acknowledged is lost»: durable queues, confirms, synchronous commit."""
    rng = random.Random(2)
    async with under_load(settings, database_url, rng, events=6_000, duplicates=600):
        for kill, start in (
            (servers.kill_broker, servers.start_broker),
            (servers.kill_postgres, servers.start_postgres),
        ) * 2:
            await asyncio.sleep(rng.uniform(0.3, 0.8))
            await kill()
            await start()


async def ledger_is_up(settings: Settings) -> None:
    """Its queue exists: from now on nothing published is unroutable."""
    broker = Rabbit(settings.amqp_url)
    await broker.open()
    for _ in range(100):
        if await broker.depth("ledger.charge_usage") is not None:
            break
        await asyncio.sleep(0.2)
    await broker.close()
