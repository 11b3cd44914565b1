"""`ringfence archive`: a closed month leaves the books for a file and comes back as it was; money never moves."""

import gzip
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.ledger import archive
from services.ledger.archive import Month, NoArchive
from shared.postgres.audit import audit_books
from shared.postgres.pool import Connection, open_pool, transaction
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
GZIP_HEAD = 10


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

    away = path.rename(tmp_path / "away.jsonl.gz")
    refused = await command("archive", "month", str(closed.month), "--to", tmp_path)
    assert (refused.code, "has left the books for another file" in refused.err) == (2, True)
    assert _archives_in(tmp_path) == [], "an empty file of that name would hide the full one"

    restored = await command("archive", "restore", away, "--json")
    assert restored.json["restored"] == {"holds": 2, "usage": 5}
    assert not (await audit_books(ringfence.host.settings.postgres_url)).findings
    assert {query: await _table(books, query) for query in tables} == tables
    assert "0 holds and the words of 0 usage events" in (await command("archive", "restore", away)).out


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


async def test_removing_goes_on_where_it_was_stopped(
    closed: Closed, ringfence: Hosted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.jsonl.gz"
    commits = count(1)

    def third_fails(pool: asyncpg.Pool) -> AbstractAsyncContextManager[Connection]:
        if next(commits) == 3:
            raise ConnectionError
        return transaction(pool)

    pool = await open_pool(ringfence.host.settings.postgres_url, "ledger", size_max=1)
    try:
        await archive.write(pool, closed.month, path)
        with monkeypatch.context() as patched:
            patched.setattr(archive, "ROWS_PER_COMMIT", 1)
            patched.setattr(archive, "transaction", third_fails)
            with pytest.raises(ConnectionError):
                await archive.remove(pool, path)
        assert await archive.remove(pool, path) == archive.Counted(holds=0, usage=5)
        with pytest.raises(NoArchive, match="for another file"):
            await archive.write(pool, closed.month, tmp_path / "two.jsonl.gz")
        await archive.restore(pool, path)
        with pytest.raises(NoArchive, match="can't be written"):
            await archive.write(pool, closed.month, path)
        assert await archive.remove(pool, path) == archive.Counted(holds=2, usage=5)
    finally:
        await pool.close()
    assert not (await audit_books(ringfence.host.settings.postgres_url)).findings


GOLDEN = (
    '{"format": "ringfence archive 1", "month": "2026-03"}',
    '{"hold": {"account_id":"acme","kind":"call","ref_id":"c1","hold_id":"hold_1","state":"billed","amount_micros":360000,'
    '"pool_ms":0,"granted":120,"is_final":false,"rate_usd":"0.18","request":{"to": "+4930123456"},"request_hash":null,'
    '"created_at":"2026-03-01T10:00:00.25+00:00","expires_at":"2026-03-01T10:04:00.25+00:00",'
    '"closed_at":"2026-03-01T10:02:30.5+00:00","transfer_id":7}}',
    '{"usage": {"account_id":"acme","source":"sip","event_id":"e1","type":"call.ended","ref_id":"c1",'
    '"content_hash":"\\\\x00ff","state":"posted","occurred_at":"2026-03-01T10:00:05+00:00",'
    '"stated_at":"2026-03-01T10:02:30+00:00","received_at":"2026-03-01T10:02:30.5+00:00","book_version":1,'
    '"own_version":null,"data":{"call_id":"c1","duration_seconds":90},"transfer_id":7,"refers_to_source":null,'
    '"refers_to_id":null,"is_accepted_twin":false}}',
    '{"end":{"hold":1,"usage":1}}',
)
"""A file as format 1 has it: whatever later migrations make of the tables, it must come back."""


async def test_a_file_of_this_format_comes_back_whatever_the_tables_have_become(
    books: asyncpg.Connection, ringfence: Hosted, tmp_path: Path
) -> None:
    path = tmp_path / "golden.jsonl.gz"
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in GOLDEN).encode()))
    pool = await open_pool(ringfence.host.settings.postgres_url, "ledger", size_max=1)
    try:
        assert await archive.restore(pool, path) == archive.Counted(holds=0, usage=0), "not into books of others"
        await books.execute(
            """
            INSERT INTO ledger.usage_events (account_id, source, event_id, type, ref_id, content_hash, state, occurred_at,
                                             stated_at, received_at, data, transfer_id)
            VALUES ('acme', 'sip', 'e1', 'call.ended', 'c1', '\\x00ff', 'posted', now(), now(), now(), 'null', 7)
            """
        )
        assert await archive.restore(pool, path) == archive.Counted(holds=1, usage=1)
    finally:
        await pool.close()
    hold = await books.fetchrow("SELECT * FROM ledger.holds")
    assert (hold["hold_id"], hold["granted"], hold["state"]) == ("hold_1", 120, "billed")
    assert hold["closed_at"] == datetime(2026, 3, 1, 10, 2, 30, 500_000, UTC)
    assert await books.fetchval("SELECT data FROM ledger.usage_events") == '{"call_id":"c1","duration_seconds":90}'


def test_one_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl.gz"
    whole = gzip.compress("".join(f"{line}\n" for line in GOLDEN).encode(), mtime=0)
    for place in range(GZIP_HEAD, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(NoArchive):
            archive.month_of(path)
    for spoilt in (whole[:-8], whole + b"x", whole + whole):
        path.write_bytes(spoilt)
        with pytest.raises(NoArchive):
            archive.month_of(path)
    path.write_bytes(whole)
    assert archive.month_of(path) == "2026-03"


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
