"""Move the test clock: what every service adds to the machine's clock, kept in the books (contract §0, Time)."""

from datetime import datetime, timedelta
from pathlib import Path

from shared.clock import MovableClock
from shared.contracts.fields_v1 import LATEST_YEAR
from shared.http_errors import invalid_request
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

_SQL = Queries.load(Path(__file__).parent / "queries" / "clock.sql")
_MICROSECOND = timedelta(microseconds=1)


async def advance(connection: Connection, clock: MovableClock, by: timedelta) -> timedelta:
    """The new offset after moving forward by so much; raises 422 beyond the calendar of contract §0."""
    offset = await _offset(connection)
    return await _set(connection, clock, offset, offset + by, "advance_seconds")


async def move_to(connection: Connection, clock: MovableClock, instant: datetime) -> timedelta:
    """The new offset after moving to this instant; raises 422 when that would be backwards."""
    offset = await _offset(connection)
    return await _set(connection, clock, offset, instant - _machine_time(clock), "now")


async def _offset(connection: Connection) -> timedelta:
    microseconds: int = await connection.fetchval(_SQL.lock_offset)
    return microseconds * _MICROSECOND


async def _set(connection: Connection, clock: MovableClock, old: timedelta, new: timedelta, field: str) -> timedelta:
    if new < old:
        raise invalid_request([(field, "the clock never moves backwards")])
    if (_machine_time(clock) + new).year >= LATEST_YEAR:
        raise invalid_request([(field, f"the clock stops before the year {LATEST_YEAR}")])
    await connection.execute(_SQL.set_offset, new // _MICROSECOND)
    return new


def _machine_time(clock: MovableClock) -> datetime:
    return clock.now() - clock.offset
