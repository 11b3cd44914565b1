"""What was said of an account, as it was published: kept 30 days for readers over HTTP (contract §3, Out)."""

import re
from pathlib import Path
from typing import Any, Final

import asyncpg

from shared.announcer import event_json
from shared.postgres.queries import Queries

SEQ_MAX: Final = 2**63 - 1
EVENT_ID: Final = re.compile(r"evt_[0-9a-zA-Z]{1,64}")

_SEQ = re.compile(r"[0-9]{1,19}")
_SQL = Queries.load(Path(__file__).parent / "queries" / "events.sql")


async def place_of(pool: asyncpg.Pool, account_id: str, after: str) -> int | None:
    """The number after which to read: `after` is such a number, or the id of an event; None when it is neither."""
    if _SEQ.fullmatch(after):
        return min(int(after), SEQ_MAX)
    if not EVENT_ID.fullmatch(after):
        return None
    seq: int | None = await pool.fetchval(_SQL.seq_of_event, account_id, after)
    return seq


async def list_events(
    pool: asyncpg.Pool, account_id: str, *, type: str | None, after: int | None, limit: int, offset: int
) -> dict[str, Any]:
    """A page, newest first. With `after` it is the page that follows that event at once, so that a reader who
    goes on after the greatest `seq` it was given misses none.
    """
    if after is None:
        rows = await pool.fetch(_SQL.newest_events, account_id, type, limit, offset)
    else:
        rows = list(reversed(await pool.fetch(_SQL.events_after, account_id, type, after, limit, offset)))
    total = await pool.fetchval(_SQL.count_events, account_id, type, after or 0)
    return {"data": [event_json(row) for row in rows], "total": total, "limit": limit, "offset": offset}
