"""Hours windows: midnight, mid-call changes, clocks that jump."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from shared.rating.book import Book, read_book
from shared.rating.cost import NotPriced, Rated, rate_call
from shared.rating.grant import CallPrice, call_price
from shared.rating.hours import Window
from tests.domain.rating import books, oracle
from tests.domain.rating.books import compiled, voice

Json = dict[str, Any]
BERLIN = {"timezone": "Europe/Berlin"}
PEAK = {"days": ["mon-fri"], "from": "08:00", "to": "18:00", **BERLIN}


def window(**hours: Any) -> Window:
    book = read_book({"items": [voice(hours={**PEAK, **hours})]})
    assert isinstance(book, Book)
    assert book.items[0].hours is not None
    return book.items[0].hours.window()


def berlin(text: str, fold: int = 0) -> datetime:
    """A Berlin wall-clock time as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold).astimezone(UTC)


def dollars(items: list[Json], at: datetime, talk: int) -> float:
    found = rate_call(book=compiled({"items": items}), direction="outbound", to="+1", at=at, talk_seconds=talk)
    assert isinstance(found, Rated)
    return round(found.total_micros / 1e6, 6)


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    friday_night = window(days=["fri"], **{"from": "22:00", "to": "06:00"})
    assert friday_night.contains(berlin("2026-03-06T22:00"))
    assert friday_night.contains(berlin("2026-03-07T05:59:59"))
    assert not friday_night.contains(berlin("2026-03-07T06:00"))
    assert not friday_night.contains(berlin("2026-03-06T05:59"))
    assert not friday_night.contains(berlin("2026-03-07T22:00"))


def test_an_increment_belongs_to_the_window_in_which_it_begins() -> None:
    """A call from 17:58:30: minutes begin at :58:30, :59:30 (peak) and 18:00:30 (off-peak)."""
    items = [voice("0.10", hours=PEAK), voice("0.01")]
    assert dollars(items, berlin("2026-03-06T17:58:30"), 180) == 0.21
    assert dollars(items, berlin("2026-03-06T17:59:59.999"), 61) == 0.11
    assert dollars(items, berlin("2026-03-06T18:00:00"), 61) == 0.02
    assert dollars(items, berlin("2026-03-06T07:59:00"), 61) == 0.11
    assert dollars(items, berlin("2026-03-07T12:00:00"), 60) == 0.01


def test_free_minimum_and_maximum_stay_those_of_the_item_in_force_at_answer() -> None:
    items = [voice("0.10", hours=PEAK, free_seconds=60), voice("0.01", max_usd="0.01", setup_usd="9")]
    assert dollars(items, berlin("2026-03-06T17:58:00"), 300) == 0.13


def test_a_call_that_runs_out_of_every_window_goes_on_at_the_last_price() -> None:
    items = [voice("0.10", hours=PEAK)]
    assert dollars(items, berlin("2026-03-06T17:59:00"), 180) == 0.30
    late = rate_call(
        book=compiled({"items": items}),
        direction="outbound",
        to="+1",
        at=berlin("2026-03-06T18:00:00"),
        talk_seconds=1,
    )
    assert late == NotPriced("voice")


def test_the_skipped_hour_never_happens_and_the_repeated_hour_counts_twice() -> None:
    """Berlin: 2026-03-29 02:00 → 03:00, 2026-10-25 03:00 → 02:00."""
    items = [voice("0.10", hours={"days": ["sun"], "from": "02:00", "to": "03:00", **BERLIN}), voice("0.01")]
    hour = 3_600
    assert dollars(items, berlin("2026-03-29T01:30"), 2 * hour) == pytest.approx(1.20)
    assert dollars(items, berlin("2026-10-25T01:30"), 4 * hour) == pytest.approx(0.30 + 12.00 + 0.90)


def test_an_edge_inside_the_repeated_hour_happens_twice() -> None:
    """Berlin 2026-10-25: in until 02:30, out until the clock falls from 03:00 to 02:00, in until 02:30 again."""
    items = [voice("0.10", hours={"days": ["sun"], "from": "01:00", "to": "02:30", **BERLIN}), voice("0.01")]
    assert dollars(items, berlin("2026-10-25T02:00"), 7_200) == pytest.approx(3.00 + 0.30 + 3.00 + 0.30)


def test_the_gate_prices_each_second_by_its_own_hour() -> None:
    """One compiled book, asked at different moments: nothing remembered from one leaks into another."""
    items = [voice("0.60", hours=PEAK, increment_seconds=1), voice("0.06", increment_seconds=1)]
    book = compiled({"items": items})

    def cost(at: datetime) -> int:
        price = call_price(book=book, direction="outbound", to="+1", at=at, recorded=False)
        assert isinstance(price, CallPrice)
        return price.cost(60)

    moments = [berlin(f"2026-03-06T{clock}") for clock in ("17:59:10", "17:59:11", "17:59:11.5", "18:00:00")]
    expected = [50 * 10_000 + 10_000, 49 * 10_000 + 11_000, 49 * 10_000 + 11_000, 60_000]
    assert [cost(at) for at in moments + moments[::-1]] == expected + expected[::-1]


@settings(max_examples=150, deadline=None)
@given(books.hours(), books.moments)
def test_a_window_contains_what_the_wall_clock_says_and_changes_only_at_its_edges(raw: Json, at: datetime) -> None:
    mine = window(**raw)
    assert mine.contains(at) == oracle.in_hours(raw, at)
    end = at + timedelta(days=2)
    edges = sorted({at, end, *(edge for edge in mine.edges_between(at, end) if at < edge < end)})
    for start, stop in pairwise(edges):
        inside = {mine.contains(start + (stop - start) * part // 7) for part in range(7)}
        assert len(inside) == 1


@pytest.mark.parametrize("year", [1, 9999])
def test_the_ends_of_the_calendar_are_priced_too(year: int) -> None:
    at = datetime(year, 12 if year > 1 else 1, 31 if year > 1 else 1, 23, 59, 59, tzinfo=UTC)
    assert dollars([voice("0.10", hours=PEAK), voice("0.10")], at, 60) == 0.10
