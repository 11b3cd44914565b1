"""What can't be billed is parked with its reason, and nothing else stops (contract §3, failure-modes)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from shared.messaging.messages import Message
from shared.messaging.topology import USAGE
from shared.runtime import Hosted
from tests.services.ledger.steps import balance_micros, dead_letters, open_account, publish, until
from tests.usage import call_ended, envelope, sms_sent

DEAD = "ledger.charge_usage.dead"
REASONS = ("ringfence-reason", "ringfence-detail", "ringfence-attempts")


async def headers_of_the_dead(ringfence: Hosted, count: int) -> list[dict[str, Any]]:
    """The headers of every dead letter, which stay where they are."""
    await until(lambda: _as_many(ringfence, count))
    async with ringfence.host.broker.hold(DEAD) as held:  # type: ignore[attr-defined]
        letters = [await held.next() for _ in range(count)]
    return [dict(letter.headers) for letter in letters]


async def _as_many(ringfence: Hosted, count: int) -> bool:
    return await dead_letters(ringfence) == count


BAD: dict[str, tuple[Any, str]] = {
    "not an object": ("text", "invalid_event"),
    "no envelope": ({"type": "call.ended"}, "invalid_event"),
    "another specversion": ({**sms_sent("ada", "x"), "specversion": "0.3"}, "invalid_event"),
    "unknown type": (envelope("fax.sent", {"account_id": "ada"}), "unknown_type"),
    "missing field": (envelope("call.ended", {"account_id": "ada"}), "invalid_event"),
    "negative duration": (call_ended("ada", "x", -5), "invalid_event"),
    "more than a day": (call_ended("ada", "x", 86_401), "invalid_event"),
    "a float": (call_ended("ada", "x", 60, duration_seconds=60.0), "invalid_event"),
    "true as a number": (call_ended("ada", "x", 60, duration_seconds=True), "invalid_event"),
    "a number as text": (call_ended("ada", "x", 60, duration_seconds="60"), "invalid_event"),
    "2^63": (call_ended("ada", "x", 60, duration_seconds=2**63), "invalid_event"),
    "no segments": (sms_sent("ada", "x", 0), "invalid_event"),
    "a naive time": (call_ended("ada", "x", 60, started_at="2026-01-01T00:00:00"), "invalid_event"),
    "the year 9999": (call_ended("ada", "x", 60, ended_at=None, started_at="9999-12-31T00:00:00Z"), "invalid_event"),
    "letters in a number": (call_ended("ada", "x", 60, to="+49 30 CALLME"), "invalid_event"),
    "an emoji id": (call_ended("ada", "\U0001f4de", 60), "invalid_event"),
    "an id too long": (call_ended("ada", "x" * 129, 60), "invalid_event"),
    "an empty id": (call_ended("ada", "", 60), "invalid_event"),
    "an id from right to left": (call_ended("ada", "\u202ex", 60), "invalid_event"),
    "quotes in an id": (call_ended("ada", "'; DROP TABLE accounts; --", 60), "invalid_event"),
    "the future": (call_ended("ada", "x", 60, ended_at=datetime.now(UTC) + timedelta(hours=2)), "future_time"),
    "a correction of nothing": (
        envelope("usage.adjusted", {"account_id": "ada", "refers_to": {"source": "sip", "id": "x"}}),
        "invalid_event",
    ),
    "no number": (
        envelope("number.rented", {"account_id": "ada", "number_id": "n", "number": "911", "at": 1767225600}),
        "invalid_event",
    ),
}

RAW: tuple[bytes, ...] = (
    b"",
    b"{",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b"NaN",
    b'{"a": Infinity}',
    b'{"a": 1e400}',
    b"[" * 100_000,
    b'{"a": ' + b"9" * 5_000 + b"}",
    b'{"id": "1", "id": "2"}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\u0000"}',
    b"[]",
)


async def test_each_bad_event_is_parked_with_its_reason_and_the_good_one_beside_it_is_billed(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«of an array only the bad ones; nothing else stops»."""
    await open_account(platform, id="ada")
    await publish(ringfence, *(event for event, _ in BAD.values()), sms_sent("ada", "good"), array=True)
    dead = await headers_of_the_dead(ringfence, len(BAD))
    assert sorted(headers["ringfence-reason"] for headers in dead) == sorted(reason for _, reason in BAD.values())
    for headers in dead:
        assert all(headers.get(name) for name in REASONS), headers
    await until(lambda: books.fetchval("SELECT 1 FROM ledger.usage_events WHERE ref_id = 'good'"))
    assert await balance_micros(books, "ada") == 10_000_000 - 10_000


async def test_bytes_that_are_no_json_are_parked(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«Bad events (not JSON, …)»."""
    await open_account(platform, id="ada")
    messages = [Message(USAGE, "any", body) for body in (*RAW, orjson.dumps(sms_sent("ada", "good")))]
    assert not any(await ringfence.host.broker.publish_many(messages))
    dead = await headers_of_the_dead(ringfence, len(RAW))
    assert {headers["ringfence-reason"] for headers in dead} == {"invalid_event"}
    await until(lambda: books.fetchval("SELECT 1 FROM ledger.usage_events WHERE ref_id = 'good'"))
    assert await balance_micros(books, "ada") == 10_000_000 - 10_000


async def test_a_destination_without_a_price_is_parked(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«no price» → `destination_not_priced`; late usage from before is billed at the price of its time."""
    await open_account(platform, id="ada")
    book = {
        "zones": {"germany": ["49"]},
        "items": [{"item": "voice", "zone": "germany", "price_usd": "0.5", "per": "minute"}],
    }
    assert (await platform.put("/v1/prices", json=book)).status_code == 200
    await asyncio.sleep(0.05)
    now = datetime.now(UTC)
    await publish(
        ringfence,
        call_ended("ada", "priced", 1, ended_at=now + timedelta(seconds=2)),
        call_ended("ada", "unpriced", 1, ended_at=now + timedelta(seconds=2), to="+15550100"),
        call_ended("ada", "before", 60, ended_at=now - timedelta(hours=1), to="+15550100"),
    )
    (dead,) = await headers_of_the_dead(ringfence, 1)
    assert dead["ringfence-reason"] == "destination_not_priced"
    await until(lambda: books.fetchval("SELECT count(*) = 2 FROM ledger.usage_events"))
    assert await balance_micros(books, "ada") == 10_000_000 - 500_000 - 180_000


async def test_an_account_that_never_comes_is_parked_after_five_retries(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«account unknown after 5 retries within 60 s» → `unknown_account`, attempts 6."""
    await publish(ringfence, call_ended("nobody", "x", 60))
    await until(lambda: _as_many(ringfence, 1), seconds=60)
    (dead,) = await headers_of_the_dead(ringfence, 1)
    assert dead["ringfence-reason"] == "unknown_account"
    assert dead["ringfence-attempts"] == 6


@pytest.mark.parametrize("with_the_header", [True, False])
async def test_only_an_operator_can_accept_a_twin(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, with_the_header: bool
) -> None:
    """«`ringfence dead replay --accept` bills it»; the same header through an exchange means nothing."""
    await open_account(platform, id="ada")
    await publish(ringfence, call_ended("ada", "c1", 60, event_id="a"))
    await until(lambda: books.fetchval("SELECT 1 FROM ledger.usage_events"))
    twin = orjson.dumps(call_ended("ada", "c1", 60, event_id="b"))
    headers = {"ringfence-accept-twin": True}
    if with_the_header:
        await ringfence.host.broker.publish(Message("", "ledger.charge_usage", twin, headers=headers))
        await until(lambda: books.fetchval("SELECT count(*) = 2 FROM ledger.usage_events"))
        assert await balance_micros(books, "ada") == 10_000_000 - 2 * 180_000
    else:
        await ringfence.host.broker.publish(Message(USAGE, "x", twin, headers=headers))
        (dead,) = await headers_of_the_dead(ringfence, 1)
        assert dead["ringfence-reason"] == "suspected_duplicate"
        assert await balance_micros(books, "ada") == 10_000_000 - 180_000
