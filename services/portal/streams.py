"""Live balance for browsers: server-sent events, one stream per reader, nothing kept in memory for the slow.

The broker's news only wakes a stream up; what it sends it reads from the books by number, in order and without
gaps, whatever was lost on the way. A reader who is too far behind is dropped to the present state.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import orjson
from prometheus_client import Gauge
from sse_starlette import ServerSentEvent

from services.portal.settings import PortalSettings
from services.portal.store import QUERIES
from shared.announcer import outward_message
from shared.clock import Clock
from shared.http_errors import ApiError
from shared.ids import new_id
from shared.messaging.cloudevents import cloud_event

EVENTS_PER_READ = 200
RECHECK_SECONDS = 5.0
"""A revoked key or an ended session ends its stream within twice that: keys are remembered as long."""

LOOKS_PER_RECHECK = 3
STREAMS_OPEN = Gauge("ringfence_event_streams", "Open streams of GET /v1/events.")

MayStay = Callable[[], Awaitable[bool]]
Rows = list[asyncpg.Record]


@dataclass(eq=False, slots=True)
class _Reader:
    """One open stream."""

    account_id: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Streams:
    """Every open stream of this process, by account."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, settings: PortalSettings) -> None:
        self._pool = pool
        self._clock = clock
        self._settings = settings
        self._readers: dict[str, set[_Reader]] = {}
        self._open = 0
        self._reads: dict[tuple[str, int], asyncio.Task[Rows]] = {}

    def wake(self, account_id: str) -> None:
        """Something was published of this account."""
        for reader in self._readers.get(account_id, ()):
            reader.woken.set()

    def wake_all(self) -> None:
        """Something may have been missed."""
        for account_id in self._readers:
            self.wake(account_id)

    def refuse_too_many(self, account_id: str) -> None:
        """Raise 429 when this account, or the process, has as many streams as it may."""
        of_account = len(self._readers.get(account_id, ()))
        if self._open >= self._settings.streams_max or of_account >= self._settings.streams_per_account_max:
            raise ApiError(429, "rate_limited", "Too many open streams.", headers={"Retry-After": "5"})

    async def follow(self, account_id: str, last_seq: int | None, may_stay: MayStay) -> AsyncIterator[ServerSentEvent]:
        """The present state, then every event after it; with `last_seq`, every event after that.

        Ends when `may_stay` says no. Numbers rise: what is replayed comes after the present state, so that frame
        keeps the number the reader had.
        """
        reader = _Reader(account_id)
        self._readers.setdefault(account_id, set()).add(reader)
        self._open += 1
        STREAMS_OPEN.inc()
        try:
            seq, state = await self._present(account_id)
            sent = seq if last_seq is None else min(last_seq, seq)
            yield _frame(sent, "balance_changed", state)
            async for event in self._after(reader, sent, replay_until=seq, may_stay=may_stay):
                yield event
        finally:
            self._forget(reader)

    def _forget(self, reader: _Reader) -> None:
        readers = self._readers[reader.account_id]
        readers.discard(reader)
        if not readers:
            del self._readers[reader.account_id]
        self._open -= 1
        STREAMS_OPEN.dec()

    async def _after(
        self, reader: _Reader, sent: int, *, replay_until: int, may_stay: MayStay
    ) -> AsyncIterator[ServerSentEvent]:
        while True:
            reader.woken.clear()
            events = await self._read_together(reader.account_id, sent)
            if sent >= replay_until and _size(events) > self._settings.behind_bytes_max:
                sent, state = await self._present(reader.account_id)
                yield _frame(sent, "balance_changed", state)
                continue
            for event in events:
                sent = event["seq"]
                yield _frame(sent, event["type"], outward_message(event).body)
            if len(events) < EVENTS_PER_READ and not await self._news(reader, may_stay):
                return

    @staticmethod
    async def _news(reader: _Reader, may_stay: MayStay) -> bool:
        """Wait until woken, or for a while: then the books are asked anyway, should the broker have been away."""
        for _ in range(LOOKS_PER_RECHECK):
            try:
                async with asyncio.timeout(RECHECK_SECONDS):
                    await reader.woken.wait()
            except TimeoutError:
                if not await may_stay():
                    return False
            else:
                return True
        return True

    async def _read_together(self, account_id: str, seq: int) -> Rows:
        """Readers of one account who are equally far ask the books once."""
        key = (account_id, seq)
        read = self._reads.get(key)
        if read is None:
            read = self._reads[key] = asyncio.create_task(self._read(account_id, seq))
            read.add_done_callback(lambda _: self._reads.pop(key, None))
        return await asyncio.shield(read)

    async def _read(self, account_id: str, seq: int) -> Rows:
        oldest = self._clock.now() - timedelta(hours=self._settings.replay_hours)
        rows: Rows = await self._pool.fetch(QUERIES.events_after, account_id, seq, oldest, EVENTS_PER_READ)
        return rows

    async def _present(self, account_id: str) -> tuple[int, bytes]:
        row = await self._pool.fetchrow(QUERIES.present_balance, account_id)
        assert row is not None, "accounts are never deleted"
        now = self._clock.now()
        data = orjson.Fragment(row["data"])
        body = cloud_event(id=new_id("evt", now), type="balance_changed", time=now, data=data, subject=account_id)
        return row["seq"], body


def _size(events: Rows) -> int:
    return sum(len(event["data"]) for event in events)


def _frame(seq: int, type: str, body: bytes) -> ServerSentEvent:
    """`id: <n>`, `event: <type>`, `data: <CloudEvent>` (contract §3)."""
    return ServerSentEvent(id=str(seq), event=type, data=body.decode(), sep="\n")
