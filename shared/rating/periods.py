"""When a rented number's fee is due: marks every 30 days from renting, or on each monthly anniversary
(UTC).

Mark 0 is the renting itself and carries no fee; marks 1, 2, … do. Mark k of a month period is k calendar
months after renting, on the same day and time; where that month is too short, on its last day, and on the
old day again afterwards (31 Jan → 28 Feb → 31 Mar). Each mark is computed from the renting, never from the
mark before, so nothing drifts.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final, NamedTuple

_THIRTY_DAYS: Final = timedelta(days=30)
_LAST_YEAR: Final = 9999


class Mark(NamedTuple):
    """The ordinal-th fee (from 1) of a number is due at `at`; (number, ordinal) is charged once."""

    ordinal: int
    at: datetime


def marks_between(rented_at: datetime, per: str, after: datetime | None, until: datetime) -> Iterator[Mark]:
    """Marks with after < at ≤ until, in order; `after` None or before renting = from the first mark.

    `per` is "30d" or "month". The cost is per mark yielded, not per mark since renting.
    """
    assert per in ("30d", "month")
    rented = rented_at.astimezone(UTC)
    for index in count(_index_after(rented, per, after)):
        at = mark(rented, per, index)
        if at is None or at > until:
            return
        yield Mark(index, at)


def mark(rented_at: datetime, per: str, index: int) -> datetime | None:
    """The index-th mark (0 = renting); None beyond the year 9999."""
    try:
        return rented_at + index * _THIRTY_DAYS if per == "30d" else _months_later(rented_at, index)
    except OverflowError:
        return None


def _months_later(start: datetime, months: int) -> datetime | None:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if year > _LAST_YEAR:
        return None
    day = min(start.day, monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def _index_after(rented: datetime, per: str, after: datetime | None) -> int:
    """The first index ≥ 1 whose mark lies after `after`."""
    if after is None or after < rented:
        return 1
    if per == "30d":
        return (after - rented) // _THIRTY_DAYS + 1
    last = after.astimezone(UTC)
    index = max(1, (last.year - rented.year) * 12 + last.month - rented.month)
    at = _months_later(rented, index)
    return index if at is None or at > after else index + 1
