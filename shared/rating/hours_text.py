"""How `hours` is written in a price book: day names, times of day, time zones. Raises ValueError with the
reason.
"""

import re
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from shared.rating.hours import DAY_NAMES

_FULL: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_DAY_TEXT_MAX: Final = 32


def day_texts(value: object) -> list[str]:
    """Days as short names in week order: ["mon-wed", "Sunday", 5] → ["mon", "tue", "wed", "fri", "sun"]."""
    entries = value.split(",") if isinstance(value, str) and len(value) <= 7 * _DAY_TEXT_MAX else value
    if not isinstance(entries, list) or not entries or len(entries) > 7:
        raise ValueError('days is a list such as ["mon", "tue"]')
    numbers = {number for entry in entries for number in _days_of(entry)}
    return [DAY_NAMES[number] for number in sorted(numbers)]


def day_numbers(days: list[str]) -> tuple[int, ...]:
    """Short names → 0 (Monday) to 6."""
    return tuple(DAY_NAMES.index(day) for day in days)


def _days_of(entry: object) -> list[int]:
    if isinstance(entry, int) and not isinstance(entry, bool) and 1 <= entry <= 7:
        return [entry - 1]
    if not isinstance(entry, str) or len(entry) > _DAY_TEXT_MAX:
        raise ValueError('a day is "mon" to "sun", or 1 (Monday) to 7')
    first, dash, last = entry.strip().lower().partition("-")
    start = _day(first)
    length = (_day(last) - start) % 7 + 1 if dash else 1
    return [(start + offset) % 7 for offset in range(length)]


def _day(name: str) -> int:
    for names in (DAY_NAMES, _FULL):
        if name in names:
            return names.index(name)
    raise ValueError('a day is "mon" to "sun", or 1 (Monday) to 7')


def seconds_of_time(text: str) -> int:
    """Seconds of the local day: "08:30" → 30600, "24:00" → 86400."""
    if text == "24:00":
        return 86_400
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError('a time of day is "HH:MM"')
    return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)


def start_time(text: str) -> str:
    """The text, when a window may start then (so not "24:00")."""
    if seconds_of_time(text) == 86_400:
        raise ValueError('a window starts at "00:00" to "23:59"')
    return text


def end_time(text: str) -> str:
    """The text, when a window may end then."""
    seconds_of_time(text)
    return text


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def time_zone_name(text: str) -> str:
    """The text, when it is an IANA time zone."""
    if text not in _known_zones():
        raise ValueError('is not an IANA time zone such as "Europe/Berlin"')
    return text
