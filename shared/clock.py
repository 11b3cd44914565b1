"""The one source of time. Every rule that depends on time takes its clock, or an instant, as an argument."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant, aware and in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class MovableClock:
    """The machine's clock plus an offset that only ever grows (contract §0, the test clock)."""

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or SystemClock()
        self._offset = timedelta(0)

    @property
    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        return self._base.now() + self._offset

    def move_to_offset(self, offset: timedelta) -> None:
        """Set the offset from the machine's clock; a smaller one is ignored, time never runs backwards."""
        self._offset = max(self._offset, offset)


def rfc3339(instant: datetime) -> str:
    """`2026-11-24T15:04:05.123Z`: UTC, milliseconds (contract §0)."""
    text = instant.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
