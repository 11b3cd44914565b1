"""Periods tile time exactly once, for all starts, zones and rhythms (failure-modes 15)."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.rhythm import COUNT_MAX, Period, Rhythm, boundary, first_period, next_period
from tests.domain.subscriptions.plans import instants

ZONES = sorted(zone for zone in available_timezones() if zone not in {"localtime", "Factory"})
rhythms = st.sampled_from(sorted(COUNT_MAX)).flatmap(
    lambda unit: st.builds(Rhythm, st.just(unit), st.integers(1, min(COUNT_MAX[unit], 40)), st.sampled_from(ZONES))
)
starts = instants(2000, 2060)


def periods(started_at: datetime, rhythm: Rhythm, count: int) -> list[Period]:
    found = [first_period(started_at, rhythm)]
    while len(found) < count:
        found.append(next_period(found[-1], started_at, rhythm))
    return found


def days(started_at: str, unit: str, zone: str, count: int, *, every: int = 1) -> list[str]:
    rhythm = Rhythm(unit, every, zone)  # type: ignore[arg-type]
    start = datetime.fromisoformat(started_at).replace(tzinfo=ZoneInfo(zone))
    return [
        period.end.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%dT%H:%M") for period in periods(start, rhythm, count)
    ]


@given(starts, rhythms)
def test_fm15_periods_tile_time_exactly_once(started_at: datetime, rhythm: Rhythm) -> None:
    tiles = periods(started_at, rhythm, 30)
    assert tiles[0].start == started_at
    assert all(before.end == after.start for before, after in pairwise(tiles))
    assert all(tile.start < tile.end for tile in tiles)
    assert [tile.number for tile in tiles] == list(range(1, 31))


@given(starts, rhythms)
def test_a_boundary_keeps_the_time_of_day_of_the_start_unless_a_clock_change_leaves_it_out(
    started_at: datetime, rhythm: Rhythm
) -> None:
    zone = ZoneInfo(rhythm.timezone)
    wall = started_at.astimezone(zone).time()
    for index in range(1, 20):
        at = boundary(started_at, rhythm, index).astimezone(zone)
        if at.time() != wall:
            missing = datetime.combine(at.date(), wall, tzinfo=zone)
            assert missing.astimezone(UTC).astimezone(zone).time() != wall, (at, wall)


@given(starts, rhythms)
def test_a_month_end_never_shifts_the_months_after_it(started_at: datetime, rhythm: Rhythm) -> None:
    if rhythm.unit not in ("monthly", "yearly") or rhythm.timezone in ("Pacific/Apia", "Pacific/Fakaofo"):
        return
    zone = ZoneInfo(rhythm.timezone)
    wanted = started_at.astimezone(zone).day
    for index in range(1, 20):
        at = boundary(started_at, rhythm, index).astimezone(zone)
        tomorrow = (at + timedelta(days=1)).day
        assert at.day == wanted or (at.day < wanted and tomorrow == 1) or at.hour == 0


def test_the_31st_falls_on_the_last_day_of_a_shorter_month_and_returns() -> None:
    assert days("2027-01-31T10:00", "monthly", "UTC", 4) == [
        "2027-02-28T10:00",
        "2027-03-31T10:00",
        "2027-04-30T10:00",
        "2027-05-31T10:00",
    ]


def test_a_leap_day_falls_on_the_28th_and_returns_in_the_next_leap_year() -> None:
    assert days("2028-02-29T00:00", "yearly", "UTC", 4) == [
        "2029-02-28T00:00",
        "2030-02-28T00:00",
        "2031-02-28T00:00",
        "2032-02-29T00:00",
    ]


def test_february_is_not_skipped() -> None:
    assert days("2027-12-30T12:00", "monthly", "UTC", 3) == ["2028-01-30T12:00", "2028-02-29T12:00", "2028-03-30T12:00"]


def test_a_day_with_a_clock_change_is_23_or_25_hours_long() -> None:
    berlin = Rhythm("daily", 1, "Europe/Berlin")
    spring = periods(datetime(2027, 3, 27, 11, tzinfo=UTC), berlin, 1)[0]
    autumn = periods(datetime(2027, 10, 30, 10, tzinfo=UTC), berlin, 1)[0]
    assert spring.end - spring.start == timedelta(hours=23)
    assert autumn.end - autumn.start == timedelta(hours=25)


def test_a_time_that_a_clock_change_leaves_out_is_taken_after_it_and_the_old_time_returns() -> None:
    assert days("2027-03-27T02:30", "daily", "Europe/Berlin", 2) == ["2027-03-28T03:30", "2027-03-29T02:30"]


def test_a_zone_that_skips_a_whole_day_has_no_empty_period() -> None:
    assert days("2011-12-28T10:00", "daily", "Pacific/Apia", 3) == [
        "2011-12-29T10:00",
        "2011-12-31T10:00",
        "2012-01-01T10:00",
    ]


@pytest.mark.parametrize(
    ("unit", "every", "expected"),
    [("weekly", 2, "2027-01-15T09:00"), ("monthly", 3, "2027-04-01T09:00"), ("yearly", 2, "2029-01-01T09:00")],
)
def test_a_rhythm_is_its_unit_times_its_count(unit: str, every: int, expected: str) -> None:
    assert days("2027-01-01T09:00", unit, "America/New_York", 1, every=every) == [expected]
