"""`ringfence prices …` and `ringfence rate`: what is published, what usage would cost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import strict_json
from shared.rating.default_book import DEFAULT_BOOK
from tests.commands.conftest import Command
from tests.hostile.corpus import BODIES
from tests.usage import call_ended, envelope, sms_sent

DECK = "zone,prefix,item,price,increment_seconds\nGermany,49,telephony,0.02,1\n,1,telephony,0.005,\n"


@pytest.fixture
def deck(tmp_path: Path) -> Path:
    return written(tmp_path / "deck.csv", DECK)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return written(tmp_path / "book.json", json.dumps(DEFAULT_BOOK))


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


async def test_a_deck_is_shown_first_and_published_when_told_so(
    command: Command, deck: Path, platform: httpx.AsyncClient
) -> None:
    shown = await command("prices", "import", deck)
    assert shown.code == 0
    assert "Nothing is published yet" in shown.out
    assert (await platform.get("/v1/prices")).json()["version"] == 1

    published = await command("prices", "import", deck, "--publish")
    assert "Version 2 is published" in published.out
    now = (await platform.get("/v1/prices")).json()
    assert now["zones"] == {"Germany": ["49"], "1": ["1"]}
    assert {item["item"] for item in now["items"]} == {"voice", "telephony", "recording", "sms", "chat", "number"}


async def test_what_show_prints_publish_takes(command: Command, tmp_path: Path) -> None:
    shown = await command("prices", "show", "--json")
    again = await command("prices", "publish", "-", stdin=shown.out.encode())
    assert (again.code, again.err) == (0, "")
    assert "Version 2 is published" in again.out
    table = await command("prices", "show", "--version", "2")
    assert "$0.08" in table.out
    assert (await command("prices", "show", "--version", "9")).code == 1


async def test_a_bad_deck_publishes_nothing_and_names_the_line(
    command: Command, tmp_path: Path, platform: httpx.AsyncClient
) -> None:
    bad = written(tmp_path / "bad.csv", DECK + "DE,4930,telephony,free,\n")
    refused = await command("prices", "import", bad, "--publish")
    assert refused.code == 1
    assert "line 4: price: a price is a decimal string" in refused.err
    assert (await platform.get("/v1/prices")).json()["version"] == 1


async def test_a_bad_book_publishes_nothing_and_names_the_path(command: Command, book: Path) -> None:
    raw: dict[str, Any] = json.loads(json.dumps(DEFAULT_BOOK))
    raw["items"][1]["price_usd"] = "-1"
    refused = await command("prices", "publish", written(book, json.dumps(raw)))
    assert refused.code == 1
    assert "items.1.price_usd: a price is a decimal string" in refused.err


def no_json() -> Iterator[Any]:
    """The bodies of the hostile corpus that are none."""
    for name, content in BODIES.items():
        try:
            strict_json.loads(content)
        except strict_json.NotStrictJson:
            yield pytest.param(content, id=name)


@pytest.mark.parametrize("content", [b"[]", b'{"items": NaN}', *no_json()])
async def test_no_file_makes_publish_or_rate_crash(offline: Command, tmp_path: Path, content: bytes) -> None:
    """Failure modes, hostile input: a clear error, never a traceback."""
    hostile = written(tmp_path / "hostile", content)
    for words in (
        ("prices", "publish", hostile),
        ("prices", "import", hostile),
        ("rate", hostile, "--prices", hostile),
    ):
        ended = await offline(*words)
        assert ended.code in (1, 2)
        assert ended.err.startswith("ringfence: ")
        assert ended.out == ""


async def test_files_that_are_not_there_are_told(offline: Command, tmp_path: Path) -> None:
    for words in (("rate", tmp_path), ("rate", tmp_path / "nothing"), ("prices", "publish", tmp_path / "nothing")):
        ended = await offline(*words)
        assert ended.code == 2
        assert "can't be read" in ended.err


async def test_usage_is_priced_by_a_book_without_anything_running(offline: Command, book: Path, tmp_path: Path) -> None:
    events = [call_ended("demo", "c1", 83), sms_sent("demo", "m1", 2)]
    ended = await offline("rate", written(tmp_path / "usage.json", json.dumps(events)), "--prices", book)
    assert ended.code == 0
    assert "voice 2 minutes × $0.10 = $0.20, telephony 2 minutes × $0.08 = $0.16" in ended.out
    assert "sms 2 segments × $0.01 = $0.02" in ended.out
    assert "Total of 2 events: $0.38" in ended.out


async def test_a_bad_line_spoils_only_itself(offline: Command, book: Path, tmp_path: Path) -> None:
    lines = [
        json.dumps(call_ended("demo", "c1", 60)),
        "NaN",
        "",
        '{"a": 1, "a": 2}',
        json.dumps(call_ended("demo", "c2", -1)),
        json.dumps(envelope("fax.sent", {})),
        json.dumps(sms_sent("demo", "m1")),
    ]
    usage = written(tmp_path / "usage.jsonl", "\ufeff" + "\n".join(lines))
    ended = await offline("rate", usage, "--prices", book, "--json")
    assert ended.code == 1
    entries = ended.json["data"]
    assert [entry.get("total_usd", entry.get("error", {}).get("code")) for entry in entries] == [
        "0.18",
        "invalid_event",
        "invalid_event",
        "invalid_event",
        "unknown_type",
        "0.01",
    ]
    assert [entry["index"] for entry in entries] == list(range(6))
    assert ended.json["total_usd"] == "0.190000"


async def test_ringfence_prices_a_file_by_each_accounts_own_prices_and_posts_nothing(
    command: Command, platform: httpx.AsyncClient, tmp_path: Path
) -> None:
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    own = {"items": [{"item": "sms", "price_usd": "0.005", "per": "segment"}]}
    assert (await platform.put("/v1/accounts/acme/prices", json=own)).status_code == 200
    usage = written(tmp_path / "usage.json", json.dumps([sms_sent("acme", "m1", 2), sms_sent("other", "m2", 2)]))
    ended = await command("rate", usage, "--json")
    assert [entry["total_usd"] for entry in ended.json["data"]] == ["0.01", "0.02"]
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1000


async def test_a_file_larger_than_a_request_is_asked_for_in_parts(command: Command, tmp_path: Path) -> None:
    events = [sms_sent("any", f"m{number}") for number in range(1_201)]
    ended = await command("rate", written(tmp_path / "usage.jsonl", "\n".join(map(json.dumps, events))), "--json")
    assert ended.json["total_usd"] == "12.010000"
    assert [entry["index"] for entry in ended.json["data"]] == list(range(1_201))
