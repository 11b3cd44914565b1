"""The scheduler says what is due; whoever hears it twice or late changes nothing (contract §3, Ticks)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aio_pika
import asyncpg
import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.service import LEDGER
from services.scheduler import lead
from services.scheduler.domain.due import due_ticks
from services.scheduler.service import SCHEDULER
from shared.contracts.ticks_v1 import TICK_NAMES
from shared.messaging.topology import TICKS
from shared.postgres.pool import open_pool
from shared.postgres.queries import Queries
from tests.conftest import PLATFORM_KEY, HostServices
from tests.usage import envelope

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def counting(amqp_url: str) -> AsyncIterator[Counter[str]]:
    """How often each tick was published while the block ran."""
    heard: Counter[str] = Counter()
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(TICKS, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "tick.#")

        async def hear(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            heard[orjson.loads(message.body)["type"]] += 1

        await queue.consume(hear, no_ack=True)
        yield heard


async def test_every_tick_of_the_contract_is_published(host_services: HostServices, amqp_url: str) -> None:
    """`tick.number_fees|recharge|holds|renewals|due_dates|reconcile|audit` to exchange `ringfence.ticks`."""
    async with counting(amqp_url) as heard:
        await host_services(SCHEDULER)
        await asyncio.sleep(1.0)
    assert heard == {f"tick.{name}": 1 for name in TICK_NAMES}


async def test_one_of_three_replicas_ticks_and_another_takes_over(
    host_services: HostServices, amqp_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One active among replicas by advisory lock; when its connection breaks, another leads."""
    monkeypatch.setenv("RINGFENCE_TICK_HOLDS_SECONDS", "1")
    for _ in range(3):
        await host_services(SCHEDULER)
    await asyncio.sleep(0.5)
    async with counting(amqp_url) as heard:
        await asyncio.sleep(3.2)
        assert 2 <= heard["tick.holds"] <= 4
    admin = await asyncpg.connect(database_url)
    leaders = await admin.fetch("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 8403 AND granted")
    assert len(leaders) == 1
    await admin.execute("SELECT pg_terminate_backend($1)", leaders[0]["pid"])
    await admin.close()
    async with counting(amqp_url) as heard:
        await asyncio.sleep(4)
        assert 2 <= heard["tick.holds"] <= 5


async def test_a_long_outage_is_caught_up_once(host_services: HostServices, database_url: str) -> None:
    """«Each (number, period) is charged once, whatever ticks come twice, late, or after a long outage»."""
    hosted = await host_services(LEDGER)
    rented_at = datetime.now(UTC)
    async with httpx.AsyncClient(
        base_url=hosted.url, headers={"Authorization": f"Bearer {PLATFORM_KEY}"}, timeout=30
    ) as platform:
        await platform.post("/v1/accounts", json={"id": "ada", "name": "Ada"})
        number = {"account_id": "ada", "number_id": "n1", "number": "+15550100", "at": rented_at.isoformat()}
        await platform.post("/v1/usage", json=envelope("number.rented", number))
        await asyncio.sleep(1)
        await platform.post("/v1/test/clock", json={"advance_seconds": 95 * 86_400})
        await host_services(SCHEDULER)
        await host_services(SCHEDULER)
        for _ in range(50):
            await asyncio.sleep(0.1)
            answer = await platform.get("/v1/accounts/ada")
            if answer.json()["balance_cents"] == 250:
                break
        await platform.post("/v1/test/clock", json={"advance_seconds": 120})
        await asyncio.sleep(2)
        assert (await platform.get("/v1/accounts/ada")).json()["balance_cents"] == 250
    books = await asyncpg.connect(database_url)
    marks = await books.fetch("SELECT metadata FROM ledger.transfers WHERE reason = 'number_fee' ORDER BY id")
    await books.close()
    told = [datetime.fromisoformat(orjson.loads(row["metadata"])["mark"]) for row in marks]
    assert [(mark - rented_at).days for mark in told] == [29, 59, 89] or [
        round((mark - rented_at) / timedelta(days=1)) for mark in told
    ] == [30, 60, 90]


@given(
    cadence=st.integers(1, 100_000),
    ago=st.integers(-200_000, 200_000),
)
def test_a_tick_is_due_when_its_cadence_has_passed(cadence: int, ago: int) -> None:
    due = due_ticks(now=NOON, last={"holds": NOON - timedelta(seconds=ago)}, cadence_seconds={"holds": cadence})
    assert due == (["holds"] if ago >= cadence or ago < 0 else [])


async def test_a_clock_that_was_set_back_stops_no_tick(
    host_services: HostServices, amqp_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was last done an hour from now is due, not in an hour and a cadence."""
    monkeypatch.setenv("RINGFENCE_TICK_HOLDS_SECONDS", "1")
    books = await asyncpg.connect(database_url)
    for name in TICK_NAMES:
        await books.execute(
            "INSERT INTO scheduler.ticks (name, last_due_at, published_at) VALUES ($1, $2, $2)",
            name,
            datetime.now(UTC) + timedelta(hours=1),
        )
    await books.close()
    async with counting(amqp_url) as heard:
        await host_services(SCHEDULER)
        await asyncio.sleep(2.5)
    assert heard.keys() == {f"tick.{name}" for name in TICK_NAMES}
    assert 2 <= heard.pop("tick.holds") <= 4
    assert set(heard.values()) == {1}


def test_a_tick_never_published_is_due() -> None:
    assert due_ticks(now=NOON, last={}, cadence_seconds={"holds": 15, "audit": 3600}) == ["holds", "audit"]


async def test_a_stalled_server_costs_the_lead_but_no_connection(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks go on after any outage: a wait that was given up gives its connection back."""
    pool = await open_pool(database_url, "scheduler", size_max=2)
    monkeypatch.setattr(lead, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(
        lead, "QUERIES", Queries({"try_lead": "SELECT pg_sleep(60) IS NULL", "still_there": "SELECT 1"})
    )
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await lead.Lead(pool).held()
    async with pool.acquire(timeout=2), pool.acquire(timeout=2):
        pass
    await pool.close()
