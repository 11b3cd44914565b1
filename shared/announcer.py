"""Tells the outside what has been committed: the one path from the books' outbox to the broker.

Whoever commits a change that leaves events or news calls `tell` with the accounts; the announcer composes and
claims what waits for them (`ledger.announce_v1`), publishes it with confirms and ticks it off. What a crash left
is found by `sweep`. Under load each account is announced at most once per window, so its news coalesces: 50 ms,
growing to a second while a backlog waits; an idle account is announced at once (contract §3, design §4). Services
hear of a whole round in one message on `ringfence.news`: whom it is about, not what is said.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson
import structlog
from prometheus_client import Counter as Count

from shared import strict_json, tracing
from shared.clock import Clock, rfc3339
from shared.contracts.news_v1 import EVENTS_PUBLISHED, EventsPublished
from shared.ids import new_id
from shared.messaging.cloudevents import cloud_event, parse_envelope
from shared.messaging.errors import MessagingError
from shared.messaging.messages import Message
from shared.messaging.port import Broker
from shared.messaging.topology import EVENTS, NEWS
from shared.postgres.pool import OUTAGES, transaction

LEASE = timedelta(seconds=10)
NEWS_AGE = timedelta(seconds=5)
ACCOUNTS_MAX = 256
SWEEP_LIMIT = 1_000
PAUSE_SECONDS = 0.2
NEVER = float("-inf")

DELAYED_BY: tuple[type[Exception], ...] = (*OUTAGES, MessagingError)

PUBLISHED = Count("ringfence_events_published", "Outward events confirmed by the broker.", ["type"])
ANNOUNCEMENTS = Count("ringfence_announcements", "Rounds of announcing, by how they ended.", ["outcome"])

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Windows:
    """How long an account's news may gather, in seconds: while no backlog waits, and while one does.

    Some 250 calls or 500 messages told are a backlog, however many AMQP messages they come in.
    """

    calm: float = 0.05
    busy: float = 1.0
    busy_backlog_bytes: int = 100_000


class Announcer:
    """One per process; `run` until cancelled."""

    def __init__(self, pool: asyncpg.Pool, broker: Broker, clock: Clock, *, windows: Windows | None = None) -> None:
        self._pool = pool
        self._broker = broker
        self._clock = clock
        self._windows = windows or Windows()
        self._told: dict[str, None] = {}
        self._last: dict[str, float] = {}
        self._wake = asyncio.Event()
        self.backlog_bytes: Callable[[], int] = lambda: 0

    def tell(self, account_ids: Iterable[str]) -> None:
        """Something about these accounts has been committed; it will be published soon. Never waits."""
        self._told.update(dict.fromkeys(account_ids))
        self._wake.set()

    async def run(self) -> None:
        """Announce what is due, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            window = self._window()
            due = {account_id: self._last.get(account_id, NEVER) + window for account_id in self._told}
            ready = [account_id for account_id, at in due.items() if at <= now][:ACCOUNTS_MAX]
            if ready:
                await self._announce_or_leave(ready, now)
                continue
            self._wake.clear()
            self._forget(now)
            # The backlog may be gone sooner, and with it the long window.
            patience = min(min(due.values(), default=now + 60) - now, self._windows.calm if due else 60)
            try:
                async with asyncio.timeout(patience):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _window(self) -> float:
        """For how long the news of an account gathers now."""
        return self._windows.busy if self.backlog_bytes() > self._windows.busy_backlog_bytes else self._windows.calm

    async def drain(self) -> None:
        """Announce at once everything that was told; for a clean stop."""
        while self._told:
            await self._announce_or_leave(list(self._told)[:ACCOUNTS_MAX], 0.0)

    async def sweep(self) -> None:
        """Find accounts whose news was left behind, by a crash or an outage of the broker."""
        now = self._clock.now()
        rows = await self._pool.fetch(
            "SELECT ledger.unannounced_v1($1, $2, $3) AS account_id", now, now - NEWS_AGE, SWEEP_LIMIT
        )
        self.tell([row["account_id"] for row in rows])

    async def _announce_or_leave(self, account_ids: Sequence[str], now: float) -> None:
        """An outage leaves everything in the books; the sweep comes back to it."""
        for account_id in account_ids:
            del self._told[account_id]
            self._last[account_id] = now
        try:
            await self.announce(account_ids)
            ANNOUNCEMENTS.labels("done").inc()
        except DELAYED_BY as outage:
            ANNOUNCEMENTS.labels("outage").inc()
            log.warning("announcement_delayed", accounts=len(account_ids), error=repr(outage))
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception:
            # Our own mistake with these accounts must not silence the others.
            ANNOUNCEMENTS.labels("failed").inc()
            log.exception("announcement_failed", accounts=len(account_ids))
            await asyncio.sleep(PAUSE_SECONDS)

    async def announce(self, account_ids: Sequence[str]) -> None:
        """Compose, claim, publish with confirms, tick off. Raises an outage of either server."""
        with tracing.span("announce", attributes={"accounts": len(account_ids)}):
            await self._announce(account_ids)

    async def _announce(self, account_ids: Sequence[str]) -> None:
        now = self._clock.now()
        async with transaction(self._pool) as connection:
            events = await connection.fetch(
                "SELECT * FROM ledger.announce_v1($1, $2, $3)", account_ids, now, now + LEASE
            )
        if not events:
            return
        attributes: dict[str, str | int] = {
            "messaging.destination.name": EVENTS,
            "messaging.batch.message_count": len(events),
        }
        with tracing.span(f"publish {EVENTS}", "producer", attributes=attributes):
            # The round first: where time runs out, what was confirmed of the rest is ticked off and not said again.
            messages = [_round_message(events, now), *map(outward_message, events)]
            not_told, *problems = await self._broker.publish_many(messages)
        if not_told is not None:
            # Services would not hear of it: all of it is published again when the lease is over.
            raise not_told
        confirmed = [event for event, problem in zip(events, problems, strict=True) if problem is None]
        await self._pool.execute(
            "SELECT ledger.published_v1($1, $2)",
            [event["account_id"] for event in confirmed],
            [event["seq"] for event in confirmed],
        )
        for type, count in Counter(event["type"] for event in confirmed).items():
            PUBLISHED.labels(type).inc(count)
        if len(confirmed) < len(events):
            log.warning("events_not_confirmed", events=len(events) - len(confirmed))
        self.tell({event["account_id"] for event in events if event["is_part"]})

    def _forget(self, now: float) -> None:
        """Accounts whose window is over need no memory."""
        if len(self._last) > ACCOUNTS_MAX:
            self._last = {key: at for key, at in self._last.items() if at + self._windows.busy > now}


def outward_message(event: asyncpg.Record) -> Message:
    """The CloudEvent of a row of `ledger.events`, on its way to `ringfence.events`."""
    return Message(
        exchange=EVENTS,
        routing_key=f"{event['type']}.{event['account_id']}",
        body=cloud_event(
            id=event["id"],
            type=event["type"],
            time=event["created_at"],
            data=orjson.Fragment(event["data"]),
            subject=event["account_id"],
        ),
        message_id=event["id"],
    )


def _round_message(events: Sequence[asyncpg.Record], now: datetime) -> Message:
    """What services are told of a round of announcing."""
    accounts: dict[str, dict[str, None]] = {}
    for event in events:
        accounts.setdefault(event["type"], {})[event["account_id"]] = None
    said = EventsPublished(account_ids={type: [*account_ids] for type, account_ids in accounts.items()})
    id = new_id("news", now)
    body = cloud_event(id=id, type=EVENTS_PUBLISHED, time=now, data=said.model_dump())
    return Message(exchange=NEWS, routing_key=EVENTS_PUBLISHED, body=body, message_id=id)


def read_round(body: bytes) -> EventsPublished:
    """A round as it is told on `ringfence.news`. Raises ValueError, which says why it is none."""
    event = parse_envelope(strict_json.loads(body))
    if event.type != EVENTS_PUBLISHED:
        raise ValueError(f"its type must be {EVENTS_PUBLISHED}")
    return EventsPublished.model_validate(event.data)


def event_json(event: asyncpg.Record) -> dict[str, Any]:
    """The same as a JSON value, with its number, for readers over HTTP."""
    created_at: datetime = event["created_at"]
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": "ringfence",
        "type": event["type"],
        "subject": event["account_id"],
        "time": rfc3339(created_at),
        "datacontenttype": "application/json",
        "seq": event["seq"],
        "data": event["data"],
    }
