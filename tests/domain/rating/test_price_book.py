"""What may be published and what is refused, with paths (contract §4 `PUT /v1/prices`)."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rating.book import Book, BookRefused, Overrides, book_json, read_book, read_overrides
from shared.rating.default_book import DEFAULT_BOOK
from tests.domain.rating import books
from tests.domain.rating.books import voice

Json = dict[str, Any]
HOURS = {"days": ["mon"], "from": "08:00", "to": "18:00", "timezone": "Europe/Berlin"}
STEP = {"from_seconds": 60, "price_usd": "0.05", "per": "minute", "increment_seconds": 6}


def paths(raw: object) -> list[str]:
    """The paths of a refusal; [] when it would be published."""
    found = read_book(raw, not_before=books.NOON)
    return [field.path for field in found.fields] if isinstance(found, BookRefused) else []


def test_the_default_book_is_valid_and_reads_back_as_published() -> None:
    book = read_book(DEFAULT_BOOK)
    assert isinstance(book, Book)
    again = read_book(book_json(book))
    assert again == book
    assert [item["price_usd"] for item in book_json(book)["items"]] == ["0.10", "0.08", "0.02", "0.01", "0.01", "2.50"]


@settings(max_examples=60, deadline=None)
@given(books.books())
def test_any_valid_book_survives_being_shown_and_put_back(raw: Json) -> None:
    book = read_book(raw)
    assert isinstance(book, Book)
    assert read_book({**book_json(book), "version": 7}) == book


@pytest.mark.parametrize(
    ("item", "path"),
    [
        ({"price_usd": "-1"}, "price_usd"),
        ({"price_usd": 0.1}, "price_usd"),
        ({"price_usd": "0.0000001"}, "price_usd"),
        ({"price_usd": None}, "price_usd"),
        ({"setup_usd": "1e2"}, "setup_usd"),
        ({"max_usd": "NaN"}, "max_usd"),
        ({"item": "video"}, "item"),
        ({"per": "segment"}, "per"),
        ({"per": "hour"}, "per"),
        ({"increment_seconds": 0}, "increment_seconds"),
        ({"increment_seconds": True}, "increment_seconds"),
        ({"increment_seconds": 60.0}, "increment_seconds"),
        ({"increment_seconds": 86_401}, "increment_seconds"),
        ({"minimum_seconds": -1}, "minimum_seconds"),
        ({"free_seconds": 2**63}, "free_seconds"),
        ({"round_to_cents": "yes"}, "round_to_cents"),
        ({"direction": "sideways"}, "direction"),
        ({"zone": "mars"}, "zone"),
        ({"tier": ""}, "tier"),
        ({"tier": "x" * 65}, "tier"),
        ({"tier": "a\x00b"}, "tier"),
        ({"tier": "\ud800"}, "tier"),
        ({"free_second": 5}, "free_second"),
        ({"steps": [{**STEP, "per": "segment"}]}, "steps.0.per"),
        ({"steps": [{**STEP, "from_seconds": -1}]}, "steps.0.from_seconds"),
        ({"steps": [STEP, STEP]}, "steps"),
        ({"steps": [STEP, {**STEP, "from_seconds": 5}]}, "steps"),
        ({"hours": {**HOURS, "timezone": "Mars/Olympus"}}, "hours.timezone"),
        ({"hours": {**HOURS, "timezone": "../../etc/passwd"}}, "hours.timezone"),
        ({"hours": {**HOURS, "from": "8:00"}}, "hours.from"),
        ({"hours": {**HOURS, "from": "24:00"}}, "hours.from"),
        ({"hours": {**HOURS, "to": "٠٨:٠٠"}}, "hours.to"),
        ({"hours": {**HOURS, "days": []}}, "hours.days"),
        ({"hours": {**HOURS, "days": ["someday"]}}, "hours.days"),
        ({"hours": {**HOURS, "days": [0]}}, "hours.days"),
        ({"hours": {**HOURS, "days": [True]}}, "hours.days"),
        ({"hours": "always"}, "hours"),
    ],
)
def test_a_bad_item_is_refused_where_it_is_bad(item: Json, path: str) -> None:
    assert paths({"zones": books.ZONES, "items": [voice() | item]}) == [f"items.0.{path}"]


@pytest.mark.parametrize("key", ["minimum_seconds", "free_seconds", "setup_usd", "steps", "increment_seconds"])
@pytest.mark.parametrize(("kind", "per"), [("sms", "segment"), ("chat", "message")])
def test_a_rule_that_would_be_ignored_is_refused(kind: str, per: str, key: str) -> None:
    value = {"setup_usd": "0.1", "steps": [STEP]}.get(key, 30)
    found = paths({"items": [{"item": kind, "price_usd": "0.01", "per": per, key: value}]})
    assert found[0] == f"items.0.{key}"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({}, "items"),
        ({"items": {}}, "items"),
        ({"items": [None]}, "items.0"),
        ({"items": [], "zone": {}}, "zone"),
        ({"items": [], "zones": {"x": []}}, "zones.x"),
        ({"items": [], "zones": {"x": ["4a"]}}, "zones.x.0"),
        ({"items": [], "zones": {"x": [""]}}, "zones.x.0"),
        ({"items": [], "zones": {"x": ["٤٩"]}}, "zones.x.0"),
        ({"items": [], "zones": {"x": ["1" * 16]}}, "zones.x.0"),
        ({"items": [], "zones": {"x": ["49"], "y": ["+49"]}}, "zones.y.0"),
        ({"items": [], "effective_at": "2026-03-02T11:59:59.999Z"}, "effective_at"),
        ({"items": [], "effective_at": "2026-03-03T00:00:00"}, "effective_at"),
        ({"items": [], "effective_at": True}, "effective_at"),
        ({"items": [], "effective_at": 10**30}, "effective_at"),
        ({"items": [], "effective_at": "2026-13-01T00:00:00Z"}, "effective_at"),
    ],
)
def test_a_bad_book_is_refused_where_it_is_bad(raw: Json, path: str) -> None:
    assert paths(raw) == [path]


@pytest.mark.parametrize("raw", [None, [], 1, "book", True])
def test_what_is_no_object_is_refused(raw: object) -> None:
    assert isinstance(read_book(raw), BookRefused)


@pytest.mark.parametrize("text", ["2026-03-02T13:00:00+01:00", "2026-03-02T12:00:00Z", 1_772_452_800, 1_772_452_800.0])
def test_a_time_of_effect_is_rfc3339_or_epoch_seconds(text: object) -> None:
    """Time is RFC 3339 UTC; epoch seconds are accepted; `effective_at` (not in the past)."""
    book = read_book({"items": [], "effective_at": text}, not_before=books.NOON)
    assert isinstance(book, Book)
    assert book.effective_at == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert book_json(book)["effective_at"] == "2026-03-02T12:00:00.000Z"


@settings(max_examples=40, deadline=None)
@given(books.books(), st.randoms())
def test_equal_twins_are_refused_wherever_they_stand(raw: Json, shuffler: random.Random) -> None:
    """ "equal twins → 422 on publish" """
    items = [*raw["items"], {**shuffler.choice(raw["items"]), "price_usd": "1.23"}]
    shuffler.shuffle(items)
    found = read_book({**raw, "items": items})
    assert isinstance(found, BookRefused)
    assert "twin" in found.fields[0].message


def test_windows_of_one_time_zone_that_overlap_are_twins() -> None:
    night = {"days": ["sun"], "from": "22:00", "to": "08:01", "timezone": "Europe/Berlin"}
    assert paths({"items": [voice(hours=HOURS), voice(hours=night)]}) == ["items.1"]
    assert paths({"items": [voice(hours=HOURS), voice(hours={**night, "to": "08:00"})]}) == []


@pytest.mark.parametrize("days", [["mon-fri"], ["Monday", "tue", 3, 4, "FRI"], "mon-wed,thu,fri", [1, 2, 3, 4, 5]])
def test_days_are_written_in_any_usual_way(days: object) -> None:
    book = read_book({"items": [voice(hours={**HOURS, "days": days})]})
    assert isinstance(book, Book)
    assert book.items[0].hours is not None
    assert book.items[0].hours.days == ["mon", "tue", "wed", "thu", "fri"]


def test_overrides_are_checked_against_the_zones_of_the_book() -> None:
    assert isinstance(read_overrides({"items": [voice(zone="de")]}, books.ZONES), Overrides)
    found = read_overrides({"items": [voice(zone="mars")]}, books.ZONES)
    assert isinstance(found, BookRefused)
    assert found.fields[0].path == "items.0.zone"


def test_a_refusal_of_a_large_book_stays_small() -> None:
    found = read_book({"items": [{"item": "x"}] * 10_000})
    assert isinstance(found, BookRefused)
    assert len(found.fields) == 50
