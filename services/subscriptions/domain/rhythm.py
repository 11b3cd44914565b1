"""When a subscription's periods begin and end. Pure: instants and a zone in, instants out.

Boundary k lies k rhythms after the start on the wall clock of the agency's zone: the same time of day, whatever
daylight saving does. Months keep the day of the start; where a month is too short its last day stands in, and the
old day returns afterwards (31 Jan → 28 Feb → 31 Mar). Every boundary is computed from the start, never from the
boundary before, so nothing drifts, and periods tile time: each ends in the instant in which the next begins
(contract §7; failure-modes 15).
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

Unit = Literal["daily", "weekly", "monthly", "yearly"]

COUNT_MAX: Final[dict[Unit, int]] = {"daily": 3_650, "weekly": 520, "monthly": 120, "yearly": 10}
"""Ten years: a longer period is a typing error, not a plan."""

_DAYS: Final = {"daily": 1, "weekly": 7}
_MONTHS: Final = {"monthly": 1, "yearly": 12}


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Every `count` days, weeks, months or years, on the wall clock of `timezone` (an IANA name)."""

    unit: Unit
    count: int
    timezone: str


@dataclass(frozen=True, slots=True)
class Period:
    """The `number`-th period of a subscription (from 1), from `start` up to, not including, `end`.

    `end_index` is the boundary at which it ends; numbers and indexes part where a zone skipped a whole day.
    """

    number: int
    start: datetime
    end: datetime
    end_index: int


def first_period(started_at: datetime, rhythm: Rhythm) -> Period:
    """The period that begins with the subscription."""
    return _period(1, started_at, 0, started_at, rhythm)


def next_period(period: Period, started_at: datetime, rhythm: Rhythm) -> Period:
    """The period that follows, of a subscription started at `started_at`."""
    return _period(period.number + 1, period.end, period.end_index, started_at, rhythm)


def boundary(started_at: datetime, rhythm: Rhythm, index: int) -> datetime:
    """The instant `index` rhythms after the start, in UTC.

    A wall-clock time that a clock change leaves out is taken as late as it is long after the change; of one that
    comes twice the first is meant. Boundary 0 is the start itself.
    """
    if index == 0:
        return started_at.astimezone(UTC)
    zone = ZoneInfo(rhythm.timezone)
    wall = started_at.astimezone(zone).replace(tzinfo=None, fold=0)
    steps = index * rhythm.count
    if rhythm.unit in _DAYS:
        wall += timedelta(days=steps * _DAYS[rhythm.unit])
    else:
        wall = _months_later(wall, steps * _MONTHS[rhythm.unit])
    return wall.replace(tzinfo=zone).astimezone(UTC)


def _period(number: int, start: datetime, start_index: int, started_at: datetime, rhythm: Rhythm) -> Period:
    # Where a zone skips a whole day (Apia, 30 December 2011) two boundaries fall on one instant: no period is empty.
    index = start_index + 1
    end = boundary(started_at, rhythm, index)
    while end <= start:
        index += 1
        end = boundary(started_at, rhythm, index)
    return Period(number, start.astimezone(UTC), end, index)


def _months_later(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    return wall.replace(year=year, month=month + 1, day=min(wall.day, monthrange(year, month + 1)[1]))
