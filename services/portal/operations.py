"""What the operators' page shows: everything that needs a person's eye, counted first, listed below."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from services.portal import queues
from services.portal.context import PortalContext
from services.portal.queues import WorkQueue
from services.portal.store import QUERIES
from services.portal.words import age, money
from shared.messaging.errors import MessagingError
from shared.money import MICROS_PER_CENT

SHOWN: Final = 25
STUCK_AFTER: Final = timedelta(minutes=5)
TICKS_LATE_AFTER: Final = timedelta(minutes=5)
REFUSED_WITHIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure on top of the page; `tone` good, warn, bad or quiet; `anchor` is the section that tells more."""

    label: str
    figure: str
    note: str
    tone: str
    anchor: str


async def overview(context: PortalContext) -> dict[str, Any]:
    """Read through the owners' views; the queues are None while the broker is out of reach."""
    now, pool = context.host.clock.now(), context.pool
    try:
        waiting = await queues.standing(context.host.broker, context.host.clock)
    except MessagingError:
        waiting = None
    books = await pool.fetchrow(QUERIES.books_check)
    charges = await pool.fetch(QUERIES.open_charges, now - STUCK_AFTER, SHOWN)
    ticks = await pool.fetch(QUERIES.ticks)
    counts = await pool.fetchrow(QUERIES.needing_an_eye, now, now - STUCK_AFTER, now - REFUSED_WITHIN)
    findings = [] if books is None else orjson.loads(books["findings"])
    return {
        "tiles": tiles(waiting, books, findings, counts, ticks, now),
        "queues": waiting,
        "rejections": await pool.fetch(QUERIES.rejections, SHOWN),
        "charges": charges,
        "holds": await pool.fetch(QUERIES.orphaned_holds, now, SHOWN),
        "ticks": ticks,
        "books": books,
        "findings": findings,
        "log": [{**row, "detail": orjson.loads(row["detail"])} for row in await pool.fetch(QUERIES.audit_log, SHOWN)],
        "counts": counts,
        "shown": SHOWN,
        "now": now,
    }


def tiles(
    waiting: list[WorkQueue] | None, books: Any, findings: list[Any], counts: Any, ticks: list[Any], now: datetime
) -> list[Tile]:
    """What a person looks at first."""
    return [
        _books(books, findings, now),
        *_queues(waiting),
        Tile(
            "Charges",
            str(counts["charges"]),
            "stuck or unknown",
            "warn" if counts["charges"] else "good",
            "charges",
        ),
        Tile(
            "Orphaned holds",
            str(counts["holds"]),
            f"{money(counts['held_micros'] // MICROS_PER_CENT)} held" if counts["holds"] else "none",
            "warn" if counts["holds"] else "good",
            "holds",
        ),
        Tile("Refused", str(counts["rejections"]), "in the last hour", "quiet", "rejections"),
        _ticks(ticks, now),
    ]


def _books(books: Any, findings: list[Any], now: datetime) -> Tile:
    if books is None:
        return Tile("Books", "–", "not checked yet", "quiet", "books")
    checked = f"{age(now - books['checked_at'])} ago"
    if findings:
        return Tile("Books", f"{len(findings)} finding{'s' if len(findings) > 1 else ''}", checked, "bad", "books")
    return Tile("Books", "Clean", checked, "good", "books")


def _queues(waiting: list[WorkQueue] | None) -> list[Tile]:
    if waiting is None:
        return [Tile("Queues", "–", "RabbitMQ can’t be reached", "bad", "queues")]
    dead = [queue.dead for queue in waiting]
    at_work = [lane for queue in waiting for lane in (queue.ready, queue.retry)]
    found = []
    for label, lanes, none, tone in (("Dead letters", dead, "none", "bad"), ("Waiting", at_work, "nothing", "quiet")):
        total = sum(lane.depth or 0 for lane in lanes)
        oldest = max((lane.age for lane in lanes if lane.age is not None), default=None)
        note = none if not total else "age unknown" if oldest is None else f"oldest {age(oldest)}"
        found.append(Tile(label, f"{total:,}", note, tone if total else "good", "queues"))
    return found


def _ticks(ticks: list[Any], now: datetime) -> Tile:
    """The scheduler is late when nothing at all has ticked for a while: its quickest tick comes every 15 s."""
    if not ticks:
        return Tile("Scheduler", "–", "has not ticked yet", "warn", "ticks")
    last = max(row["published_at"] for row in ticks)
    is_late = now - last > TICKS_LATE_AFTER
    return Tile(
        "Scheduler", "Late" if is_late else "On time", f"{age(now - last)} ago", "bad" if is_late else "good", "ticks"
    )
