"""When a number's fee is due (contract §4 "Numbers"); failure mode 15: 29/30/31, leap years, skipped February."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.rating.periods import Mark, mark, marks_between

starts = st.integers(0, 200 * 365 * 86_400).map(
    lambda second: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
)
pers = st.sampled_from(["30d", "month"])


def dates(rented: datetime, per: str, count: int) -> list[str]:
    marks = marks_between(rented, per, None, datetime.max.replace(tzinfo=UTC))
    return [f"{found.at:%Y-%m-%d}" for found in islice(marks, count)]


def test_marks_come_every_thirty_days_and_none_at_renting() -> None:
    """ "charged at each 30-day mark from renting … none at renting" """
    rented = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert dates(rented, "30d", 3) == ["2026-03-02", "2026-04-01", "2026-05-01"]
    assert list(marks_between(rented, "30d", None, rented + timedelta(days=30, microseconds=-1))) == []
    assert list(marks_between(rented, "30d", None, rented + timedelta(days=30))) == [
        Mark(1, rented + timedelta(days=30))
    ]


def test_the_31st_falls_on_the_last_day_of_a_shorter_month_and_returns() -> None:
    """ "`per: month`: on the rental anniversary [C], the 31st falls on the last day of a shorter month and returns" """
    assert dates(datetime(2027, 12, 31, tzinfo=UTC), "month", 5) == [
        "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31",
    ]  # fmt: skip
    assert dates(datetime(2028, 2, 29, tzinfo=UTC), "month", 13)[11:] == ["2029-02-28", "2029-03-29"]


@given(starts, pers, st.lists(st.integers(0, 4_000), min_size=1, max_size=6))
def test_visits_at_any_times_see_each_mark_exactly_once(rented: datetime, per: str, days: list[int]) -> None:
    """ "Each (number, period) is charged once, whatever ticks come twice, late, or after a long outage" """
    visits = [rented + timedelta(days=day) for day in sorted(days)]
    seen = list(marks_between(rented, per, None, visits[0]))
    for after, until in pairwise(visits):
        seen += marks_between(rented, per, after, until)
    assert seen == list(marks_between(rented, per, None, visits[-1]))
    assert [found.ordinal for found in seen] == list(range(1, len(seen) + 1))


@given(starts, st.integers(0, 2_000))
def test_fm15_months_tile_time(rented: datetime, ordinal: int) -> None:
    this, following = mark(rented, "month", ordinal), mark(rented, "month", ordinal + 1)
    assert this is not None
    assert following is not None
    assert this < following
    months = (following.year - rented.year) * 12 + following.month - rented.month
    assert months == ordinal + 1
    assert following.day == min(rented.day, monthrange(following.year, following.month)[1])
    assert following.timetz() == rented.timetz()


@given(starts, pers, st.integers(1, 2_000), st.timedeltas(timedelta(0), timedelta(days=27)))
def test_a_late_visit_goes_straight_to_its_mark(rented: datetime, per: str, ordinal: int, late: timedelta) -> None:
    at = mark(rented, per, ordinal)
    assert at is not None
    assert list(marks_between(rented, per, at - timedelta(microseconds=1), at + late)) == [Mark(ordinal, at)]
    assert list(marks_between(rented, per, at, at + late)) == []


def test_marks_end_with_the_calendar() -> None:
    rented = datetime(9999, 11, 30, tzinfo=UTC)
    end = datetime.max.replace(tzinfo=UTC)
    assert [found.ordinal for found in marks_between(rented, "month", None, end)] == [1]
    assert [found.ordinal for found in marks_between(rented, "30d", None, end)] == [1]
