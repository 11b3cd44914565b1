"""Which ticks are due. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.contracts.ticks_v1 import TickName


def due_ticks(
    *, now: datetime, last: Mapping[str, datetime], cadence_seconds: Mapping[TickName, int]
) -> list[TickName]:
    """Ticks never published, or last due at least one cadence ago.

    After an outage each is due once, however long it was: who hears it catches up by looking at what is due.
    A `last` in the future was written before the clock was set back, and is due too: a tick too many changes nothing.
    """
    return [
        name
        for name, seconds in cadence_seconds.items()
        if name not in last or not timedelta(0) <= now - last[name] < timedelta(seconds=seconds)
    ]
