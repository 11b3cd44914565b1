"""Usage in, balance out: contract §3 on the real broker and the real books."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from shared.runtime import Hosted
from tests.services.ledger.steps import balance_micros, dead_letters, open_account, publish, until
from tests.usage import call_ended, envelope, sms_sent


async def test_fm28_a_finished_call_is_one_transaction_with_its_components(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«A finished call is one transaction whose `metadata.components` lists voice + telephony + recording»."""
    account_id = await open_account(platform)
    await publish(ringfence, call_ended(account_id, "c1", 90, recorded_seconds=90))
    row = await until(
        lambda: books.fetchrow(
            "SELECT * FROM ledger.transactions_v1 WHERE account_id = $1 AND reason = 'call'", account_id
        )
    )
    metadata = orjson.loads(row["metadata"])
    assert [component["item"] for component in metadata["components"]] == ["voice", "telephony", "recording"]
    assert row["description"] == "Call billing: 2 minutes × $0.20"
    assert row["amount_micros"] == -400_000
    assert row["call_id"] == "c1"
    assert await balance_micros(books, account_id) == 9_600_000


async def test_fm32_a_message_sent_twice_is_billed_once(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«`account_id` + `source` + `id` make an event unique for ever … equal → ignored»."""
    account_id = await open_account(platform)
    event = call_ended(account_id, "c1", 60)
    await publish(ringfence, *[event] * 5)
    await publish(ringfence, event, event, array=True)
    await publish(ringfence, sms_sent(account_id, "m1"))
    await until(lambda: books.fetchval("SELECT 1 FROM ledger.usage_events WHERE ref_id = 'm1'"))
    assert await balance_micros(books, account_id) == 10_000_000 - 180_000 - 10_000
    assert await dead_letters(ringfence) == 0


async def test_the_same_id_with_another_content_is_parked(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«other → parked `id_reused`»."""
    account_id = await open_account(platform)
    first = call_ended(account_id, "c1", 60)
    other = {**first, "data": {**first["data"], "duration_seconds": 600}}
    await publish(ringfence, first, other)
    await until(lambda: dead_letters(ringfence))
    assert await balance_micros(books, account_id) == 10_000_000 - 180_000


async def test_fm13_a_second_event_for_the_same_call_is_parked_as_a_suspected_duplicate(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«A second (source, id) for the same account, type and call_id … is parked there as `suspected_duplicate`»."""
    account_id = await open_account(platform)
    await publish(
        ringfence, call_ended(account_id, "c1", 60, event_id="a"), call_ended(account_id, "c1", 60, event_id="b")
    )
    await until(lambda: dead_letters(ringfence))
    assert await balance_micros(books, account_id) == 10_000_000 - 180_000


async def test_only_the_bad_events_of_an_array_are_dead(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«of an array only the bad ones; nothing else stops»."""
    account_id = await open_account(platform)
    bad = call_ended(account_id, "c2", -5)
    await publish(
        ringfence, call_ended(account_id, "c1", 60), bad, {"type": "nonsense"}, sms_sent(account_id, "m"), array=True
    )
    await until(lambda: books.fetchval("SELECT 1 FROM ledger.usage_events WHERE ref_id = 'm'"))
    await until(lambda: dead_letters(ringfence))
    assert await dead_letters(ringfence) == 2
    assert await balance_micros(books, account_id) == 10_000_000 - 180_000 - 10_000


async def test_fm24_an_unanswered_call_costs_nothing_and_frees_its_hold(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«talk time from answer: ringing is never billed; unanswered = 0»."""
    account_id = await open_account(platform)
    event = call_ended(account_id, "c1", 30, status="no_answer", answered_at=None)
    await publish(ringfence, event)
    state = await until(lambda: books.fetchval("SELECT state FROM ledger.usage_events WHERE ref_id = 'c1'"))
    assert state == "free"
    assert await balance_micros(books, account_id) == 10_000_000


async def test_usage_for_an_account_that_opens_later_is_billed_then(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«account unknown after 5 retries within 60 s» is dead; an account that opens meanwhile is billed."""
    await publish(ringfence, call_ended("late-opener", "c1", 60))
    await asyncio.sleep(0.5)
    await open_account(platform, id="late-opener")
    await until(lambda: books.fetchval("SELECT 1 FROM ledger.usage_events WHERE ref_id = 'c1'"), seconds=15)
    assert await balance_micros(books, "late-opener") == 10_000_000 - 180_000


@pytest.mark.parametrize("order", ["original first", "correction first", "corrections turned round"])
async def test_a_correction_posts_the_difference_in_whatever_order(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, order: str
) -> None:
    """«`usage.adjusted` … of several the greatest `time`, then `id`, is in force»."""
    account_id = await open_account(platform)
    original = call_ended(account_id, "c1", 600, event_id="o")
    now = datetime.now(UTC)
    corrections = [
        envelope(
            "usage.adjusted",
            {"account_id": account_id, "refers_to": {"source": "sip", "id": "o"}, "duration_seconds": seconds},
            event_id=f"adj-{seconds}",
            time=now - timedelta(minutes=age),
        )
        for seconds, age in ((60, 2), (120, 1))
    ]
    orders = {
        "original first": [original, *corrections],
        "correction first": [*corrections, original],
        "corrections turned round": [corrections[1], original, corrections[0]],
    }
    for event in orders[order]:
        await publish(ringfence, event)
        await asyncio.sleep(0.1)
    await until(lambda: books.fetchval("SELECT count(*) = 3 FROM ledger.usage_events WHERE state <> 'waiting'"))
    assert await balance_micros(books, account_id) == 10_000_000 - 360_000


async def test_news_tells_the_balance_once_for_a_burst(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«`balance_changed` {version, balance_cents, …, transactions: […], settled: [call/message ids]}»."""
    account_id = await open_account(platform)
    await publish(ringfence, *[sms_sent(account_id, f"m{n}") for n in range(100)], array=True)

    async def told() -> Any:
        rows = await books.fetch(
            "SELECT data FROM ledger.events WHERE account_id = $1 AND type = 'balance_changed' ORDER BY seq", account_id
        )
        news = [orjson.loads(row["data"]) for row in rows]
        return news if sum(len(each["settled"]) for each in news) == 100 else None

    news = await until(told)
    assert news[-1]["balance_cents"] == 900
    versions = [each["version"] for each in news]
    assert versions == sorted(versions)
    assert sum(len(each["transactions"]) for each in news) == 101
    await until(lambda: books.fetchval("SELECT count(*) = 0 FROM ledger.outbox"))
