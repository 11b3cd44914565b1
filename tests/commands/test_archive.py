"""`ringfence archive`: a closed month leaves the books for a file and comes back as it was; money never moves."""

import gzip
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.ledger import archive
from services.ledger.archive import Month
from shared.postgres.audit import audit_books
from shared.postgres.pool import open_pool
from shared.runtime import Hosted
from tests.commands.conftest import Command, Ended, Publish
from tests.commands.waiting import until
from tests.services.ledger.steps import dead_letters
from tests.usage import call_ended, envelope, sms_sent

HOLDS = "SELECT row_to_json(holds)::text FROM ledger.holds ORDER BY account_id, kind, ref_id"
USAGE = "SELECT row_to_json(usage_events)::text FROM ledger.usage_events ORDER BY account_id, source, event_id"
TRANSFERS = "SELECT row_to_json(transfers)::text FROM ledger.transfers ORDER BY id"
CALL = {"direction": "outbound", "from": "+15550100", "to": "+4930123456"}
CALLS = ("billed-1", "billed-2")


@pytest.fixture
async def books(ringfence: Hosted) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(ringfence.host.settings.postgres_url)
    yield connection
    await connection.close()


async def _table(books: asyncpg.Connection, query: str) -> list[str]:
    return [row[0] for row in await books.fetch(query)]


async def _check(platform: httpx.AsyncClient, call_id: str) -> httpx.Response:
    return await platform.post("/v1/checks/call", json={"account_id": "acme", "call_id": call_id, **CALL})


async def _client_with_a_plan(platform: httpx.AsyncClient) -> None:
    opened = await platform.post("/v1/accounts", json={"id": "agency", "name": "Agency", "agency": True})
    by_agency = {"Authorization": f"Bearer {opened.json()['api_key']}"}
    plan = {
        "name": "Voice",
        "currency": "USD",
        "minute_rate_usd": "0.10",
        "included_minutes": 10,
        "rhythm": "yearly",
        "rhythm_count": 1,
        "due_days": 7,
        "grace_days": 3,
        "packs_allowed": False,
    }
    await platform.post("/v1/clients", json={"id": "client", "name": "Client"}, headers=by_agency)
    made = await platform.post("/v1/plans", json=plan, headers=by_agency)
    await platform.put("/v1/clients/client/plan", json={"plan_id": made.json()["id"]}, headers=by_agency)
    started = await platform.post("/v1/clients/client/subscription", json={}, headers=by_agency)
    assert started.status_code == 201, started.text


class Closed:
    """A month that is over for long: of one account two billed calls, one without a hold, an SMS, a released hold; of
    an agency's client a call that took minutes of its plan.
    """

    def __init__(self, month: Month, told: list[dict[str, Any]]) -> None:
        self.month = month
        self.told = told


@pytest.fixture
async def closed(ringfence: Hosted, platform: httpx.AsyncClient, publish: Publish, books: asyncpg.Connection) -> Closed:
    now = ringfence.host.clock.now()
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    for call_id in (*CALLS, "released-1"):
        assert (await _check(platform, call_id)).status_code == 200
    await platform.post("/v1/checks/call/released-1/release", json={"account_id": "acme"})
    await _client_with_a_plan(platform)
    told = [call_ended("acme", call_id, 60, event_id=call_id) for call_id in (*CALLS, "unheld-1")]
    told.append(call_ended("client", "planned-1", 60, event_id="planned-1"))
    await publish(*told, sms_sent("acme", "sms-1", event_id="sms-1"))

    async def are_posted() -> bool:
        return await books.fetchval("SELECT count(*) = 5 FROM ledger.usage_events") is True

    await until(are_posted)
    await platform.post("/v1/test/clock", json={"advance_seconds": 130 * 86_400})
    return Closed(Month(now.year, now.month), told)


async def test_a_closed_month_leaves_the_books_and_comes_back_as_it_was(
    command: Command, closed: Closed, books: asyncpg.Connection, ringfence: Hosted, tmp_path: Path
) -> None:
    """Issue 7: "retention and archive of closed periods"; nothing that is money goes."""
    tables = {query: await _table(books, query) for query in (HOLDS, USAGE, TRANSFERS)}
    taken = await command("archive", "month", str(closed.month), "--to", tmp_path, "--json")
    path = tmp_path / f"ringfence-{closed.month}.jsonl.gz"
    assert taken.json == {"file": str(path), "removed": {"holds": 2, "usage": 5}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert _archives_in(tmp_path) == [path.name]

    assert await books.fetch("SELECT ref_id, state FROM ledger.holds") == [("released-1", "released")]
    assert await books.fetchval("SELECT bool_and(json_typeof(data) = 'null') FROM ledger.usage_events") is True
    assert await _table(books, TRANSFERS) == tables[TRANSFERS]
    assert not (await audit_books(ringfence.host.settings.postgres_url)).findings

    again = await command("archive", "month", str(closed.month), "--to", tmp_path, "--json")
    assert again.json["removed"] == {"holds": 0, "usage": 0}, "what is there already is not written anew"

    restored = await command("archive", "restore", path, "--json")
    assert restored.json["restored"] == {"holds": 2, "usage": 5}
    assert {query: await _table(books, query) for query in tables} == tables
    assert "0 holds and the words of 0 usage events" in (await command("archive", "restore", path)).out


async def test_what_was_archived_is_still_billed_once_and_refused_as_before(
    command: Command,
    closed: Closed,
    books: asyncpg.Connection,
    ringfence: Hosted,
    platform: httpx.AsyncClient,
    publish: Publish,
    tmp_path: Path,
) -> None:
    """§3: «`account_id` + `source` + `id` make an event unique for ever»; §2: a billed call is `already_billed`."""
    await command("archive", "month", str(closed.month), "--to", tmp_path)
    before = (await platform.get("/v1/accounts/acme")).json()["balance_micros"]
    other_words = call_ended("acme", "billed-1", 600, event_id="billed-1")
    other_id = call_ended("acme", "billed-2", 60, event_id="billed-2-again")
    await publish(*closed.told, other_words, other_id)

    async def are_parked() -> bool:
        return await dead_letters(ringfence) == 2

    await until(are_parked)
    assert {letter["reason"] for letter in (await command("dead", "list", "--json")).json["data"]} == {
        "id_reused",
        "suspected_duplicate",
    }
    assert (await platform.get("/v1/accounts/acme")).json()["balance_micros"] == before
    shown = (await platform.get("/v1/checks/call/billed-1", params={"account_id": "acme"})).json()
    assert (shown["state"], shown["transaction_id"] is not None) == ("billed", True)
    asked = await _check(platform, "billed-1")
    assert (asked.status_code, asked.json()["error"]["code"]) == (409, "already_billed")
    released = await platform.post("/v1/checks/call/billed-1/release", json={"account_id": "acme"})
    assert released.json() == {"status": "already_billed"}


async def test_a_correction_of_what_was_archived_waits_for_its_return(
    command: Command, closed: Closed, ringfence: Hosted, platform: httpx.AsyncClient, publish: Publish, tmp_path: Path
) -> None:
    await command("archive", "month", str(closed.month), "--to", tmp_path)
    before = (await platform.get("/v1/accounts/acme")).json()["balance_micros"]
    data = {"account_id": "acme", "refers_to": {"source": "sip", "id": "billed-1"}, "duration_seconds": 120}
    await publish(envelope("usage.adjusted", data, event_id="correction"))

    async def is_parked() -> bool:
        return await dead_letters(ringfence) == 1

    await until(is_parked)
    (letter,) = (await command("dead", "list", "--json")).json["data"]
    assert letter["reason"] == "original_archived"
    assert str(closed.month) in letter["detail"]
    await command("archive", "restore", tmp_path / f"ringfence-{closed.month}.jsonl.gz")
    await command("dead", "replay", "correction")

    async def is_corrected() -> bool:
        balance = (await platform.get("/v1/accounts/acme")).json()["balance_micros"]
        return bool(balance == before - 180_000)

    await until(is_corrected)


async def test_what_changed_after_it_was_written_stays(
    closed: Closed, books: asyncpg.Connection, ringfence: Hosted, tmp_path: Path
) -> None:
    path = tmp_path / "one.jsonl.gz"
    pool = await open_pool(ringfence.host.settings.postgres_url, "ledger", size_max=1)
    try:
        assert await archive.write(pool, closed.month, path) == archive.Counted(holds=2, usage=5)
        await books.execute("UPDATE ledger.holds SET closed_at = closed_at + interval '1 ms' WHERE ref_id = 'billed-1'")
        await books.execute("UPDATE ledger.usage_events SET data = '{\"x\": 1}' WHERE event_id = 'billed-1'")
        assert await archive.remove(pool, path) == archive.Counted(holds=1, usage=4)
    finally:
        await pool.close()
    left = await books.fetch("SELECT ref_id FROM ledger.holds WHERE state = 'billed'")
    assert [row["ref_id"] for row in left] == ["billed-1"]


@pytest.mark.parametrize("spoilt", ["cut", "counted wrong", "no archive", "no gzip"])
async def test_a_file_that_is_not_whole_changes_nothing(
    command: Command, closed: Closed, books: asyncpg.Connection, tmp_path: Path, spoilt: str
) -> None:
    await command("archive", "month", str(closed.month), "--to", tmp_path)
    path = tmp_path / f"ringfence-{closed.month}.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    match spoilt:
        case "cut":
            path.write_bytes(path.read_bytes()[:-40])
        case "counted wrong":
            path.write_bytes(gzip.compress(b"".join([*lines[:2], *lines[3:]])))
        case "no archive":
            path.write_bytes(gzip.compress(b"".join(lines[1:])))
        case _:
            path.write_bytes(b"nothing of the kind")
    for words in (("restore", path), ("month", str(closed.month), "--to", tmp_path)):
        _could_not(await command("archive", *words))
    assert await books.fetchval("SELECT count(*) FROM ledger.holds") == 1


async def test_only_a_month_that_is_long_over_is_archived(command: Command, ringfence: Hosted, tmp_path: Path) -> None:
    last = ringfence.host.clock.now() - timedelta(days=89)
    young = await command("archive", "month", f"{last:%Y-%m}", "--to", tmp_path)
    assert (young.code, "has not been over for 90 days" in young.err) == (1, True)
    for words in (("2026-13", "--to", tmp_path), ("yesterday", "--to", tmp_path), ("2020-01", "--to", tmp_path / "no")):
        _could_not(await command("archive", "month", *words))
    assert _archives_in(tmp_path) == []


def _archives_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith("ringfence")]


def _could_not(ended: Ended) -> None:
    assert ended.code == 2
    assert ended.err.startswith("ringfence: ")
