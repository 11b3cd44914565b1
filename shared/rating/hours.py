"""Hours windows: when, by the wall clock of a time zone, an item applies.

Decisions where the contract is silent:
- A window that crosses midnight (`from` later than `to`) belongs to the day on which it begins: fri
  22:00–06:00 includes Saturday 05:59 and not Friday 05:59. `from` equal to `to` is a window of a whole day
  from that time.
- The wall clock decides. When clocks go back, the repeated hour is in (or out) twice; when they go forward,
  the skipped hour does not happen. Increments themselves are real seconds and are never stretched.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SECONDS_PER_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST: Final = datetime(2, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9998, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PROBE: Final = timedelta(hours=3)


def calendar_safe(at: datetime) -> datetime:
    """The instant, kept away from both ends of the calendar, where local time can't be computed."""
    return min(max(at, _EARLIEST), _LATEST)


def epoch_micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact."""
    return (at - _EPOCH) // _MICROSECOND


def at_epoch_micros(micros: int) -> datetime:
    """The UTC datetime of epoch_micros."""
    return _EPOCH + timedelta(microseconds=micros)


@dataclass(frozen=True, slots=True)
class Window:
    """Days (0 = Monday) and seconds of the local day, start inclusive, end exclusive."""

    days: tuple[int, ...]
    from_second: int
    to_second: int
    timezone: str

    def contains(self, at: datetime) -> bool:
        """Whether the instant lies in the window."""
        local = at.astimezone(ZoneInfo(self.timezone))
        second = local.hour * 3600 + local.minute * 60 + local.second
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self.from_second < self.to_second:
            return today in self.days and self.from_second <= second < self.to_second
        return (today in self.days and second >= self.from_second) or (
            yesterday in self.days and second < self.to_second
        )

    def edges_between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Every instant in [start, end] at which `contains` may change: local edges and clock changes."""
        zone = ZoneInfo(self.timezone)
        day = start.astimezone(zone).date() - timedelta(days=1)
        last = end.astimezone(zone).date() + timedelta(days=1)
        while day <= last:
            for second in (0, self.from_second, self.to_second % SECONDS_PER_DAY):
                yield from _instants(day, second, zone)
            day += timedelta(days=1)
        yield from _clock_changes(start, end, zone)

    def week_spans(self) -> list[tuple[int, int]]:
        """The window as [start, end) seconds of a wall-clock week from Monday 00:00, cut at its end."""
        spans = []
        length = (self.to_second - self.from_second - 1) % SECONDS_PER_DAY + 1
        week = 7 * SECONDS_PER_DAY
        for day in self.days:
            start = day * SECONDS_PER_DAY + self.from_second
            spans.append((start, min(start + length, week)))
            if start + length > week:
                spans.append((0, start + length - week))
        return spans

    def overlaps(self, other: "Window") -> bool:
        """Whether two windows of the same time zone share a moment of the week."""
        return any(
            a_start < b_end and b_start < a_end
            for a_start, a_end in self.week_spans()
            for b_start, b_end in other.week_spans()
        )


def _instants(day: date, second: int, zone: ZoneInfo) -> Iterator[datetime]:
    """Both readings of a local time (they differ only when clocks go back)."""
    local = datetime.combine(day, time(second // 3600, second // 60 % 60, second % 60), zone)
    yield local.astimezone(UTC)
    yield local.replace(fold=1).astimezone(UTC)


def _clock_changes(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Instants at which the zone's offset changes, by bisection to the second."""
    low = start.replace(microsecond=0)
    while low < end:
        high = low + _PROBE
        if _offset(low, zone) != _offset(high, zone):
            yield _first_with_new_offset(low, high, zone)
        low = high


def _first_with_new_offset(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    before = _offset(low, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(middle, zone) == before else (low, middle)
    return high


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset
