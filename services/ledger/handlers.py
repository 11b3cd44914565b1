"""What the ledger does with messages.

ChargeUsage             usage events from `ringfence.usage`: price, post, settle holds, tell the balance (the hot path)
post_within             the same inside a transaction of the caller's
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from services.ledger import corrections, rentals, store
from services.ledger.context import LedgerContext
from services.ledger.domain.posting import Judge, Later, Posting, price_ahead
from services.ledger.domain.usage import Refused, UsageFact, read_usage
from services.ledger.plans import recall_plans
from shared import strict_json
from shared.contracts.queues_v1 import ACCEPT_HEADER
from shared.contracts.usage_v1 import NumberChanged, UsageAdjusted
from shared.messaging.messages import Dead, Incoming, Outcome, Outcomes, Retry
from shared.postgres.pool import Connection, transaction
from shared.price_books import PriceBooks
from shared.tasks import look_at

LANES = 2
EVENTS_PER_COMMIT_MAX = 256
EVENTS_TO_BEGIN_WITH = 64
"""So many are worth a commit while more are being read."""

EVENTS_AHEAD_MAX = 1_024
EVENTS_PER_TURN = 8
SLOW = (NumberChanged, UsageAdjusted)
"""Few and far between: these are recorded one by one."""


@dataclass(slots=True)
class _Piece:
    """One event of one message. `part` is the event as it came when the message held several, else None."""

    message: int
    part: object
    fact: UsageFact


class ChargeUsage:
    """Takes a batch of messages, posts their events in as few commits as there are hundreds of them.

    While events are being posted the next are read.
    """

    def __init__(self, context: LedgerContext) -> None:
        self._context = context

    async def __call__(self, batch: Sequence[Incoming]) -> Outcomes:
        outcomes: dict[int, list[Outcome]] = {}

        async def post(pieces: Sequence[_Piece]) -> None:
            results = await post_usage(self._context, [piece.fact for piece in pieces])
            for piece, result in zip(pieces, results, strict=True):
                if result is not None:
                    outcomes.setdefault(piece.message, []).append(_given_up(result, piece.part))

        now = self._context.host.clock.now()
        lanes = _Lanes(post)
        try:
            for place, message in enumerate(batch):
                for piece in _pieces(place, message, now, self._context.prices, outcomes):
                    if lanes.add(piece) % EVENTS_PER_TURN == 0:
                        await lanes.room()
            await lanes.finish()
        finally:
            lanes.close()
        return outcomes


class _Lanes:
    """Events on their way into the books. An account is always in the same lane: two commits at a time keep both Python
    and PostgreSQL busy, and never wait for each other. A lane takes the events of an account together, in the order in
    which they came: the fewer accounts a commit touches, the less it costs.
    """

    def __init__(self, post: Callable[[Sequence[_Piece]], Awaitable[None]]) -> None:
        self._post = post
        self._waiting: list[list[_Piece]] = [[] for _ in range(LANES)]
        self._worth_it = [asyncio.Event() for _ in range(LANES)]
        self._fewer = asyncio.Event()
        self._added = 0
        self._is_all = False
        self._tasks = [asyncio.create_task(self._run(lane), name=f"usage lane {lane}") for lane in range(LANES)]

    def add(self, piece: _Piece) -> int:
        """One more; how many it have been."""
        lane = hash(piece.fact.account_id) % LANES
        self._waiting[lane].append(piece)
        if len(self._waiting[lane]) == EVENTS_TO_BEGIN_WITH:
            self._worth_it[lane].set()
        self._added += 1
        return self._added

    async def room(self) -> None:
        """Give the loop a turn, so that answers of PostgreSQL never wait long; return when few enough wait. Raises what
        a lane has failed with."""
        await asyncio.sleep(0)
        while sum(map(len, self._waiting)) > EVENTS_AHEAD_MAX:
            for task in self._tasks:
                if task.done():
                    await task
            self._fewer.clear()
            await self._fewer.wait()

    async def finish(self) -> None:
        """No more will come: return when all are in the books. Raises what a lane has failed with."""
        self._is_all = True
        for worth_it in self._worth_it:
            worth_it.set()
        await asyncio.gather(*self._tasks)

    def close(self) -> None:
        """Stop what is still going on."""
        for task in self._tasks:
            task.add_done_callback(look_at)
            task.cancel()

    async def _run(self, lane: int) -> None:
        waiting = self._waiting[lane]
        try:
            while waiting or not self._is_all:
                if len(waiting) < EVENTS_TO_BEGIN_WITH and not self._is_all:
                    self._worth_it[lane].clear()
                    await self._worth_it[lane].wait()
                    continue
                waiting.sort(key=_account_id)
                taken = waiting[:EVENTS_PER_COMMIT_MAX]
                del waiting[:EVENTS_PER_COMMIT_MAX]
                self._fewer.set()
                await self._post(taken)
        finally:
            self._fewer.set()


def _account_id(piece: _Piece) -> str:
    return piece.fact.account_id


def _pieces(
    place: int, message: Incoming, now: datetime, prices: PriceBooks, outcomes: dict[int, list[Outcome]]
) -> Iterator[_Piece]:
    """The good events of one message, made ready for posting as far as they can be before their accounts are locked;
    what becomes of the bad ones goes into `outcomes`."""
    try:
        value = strict_json.loads(message.body)
    except strict_json.NotStrictJson as error:
        outcomes[place] = [Dead("invalid_event", str(error))]
        return
    if value == []:
        outcomes[place] = [Dead("invalid_event", "an empty array holds no event")]
    several = isinstance(value, list)
    for element in value if several else [value]:
        part = element if several else None
        read = read_usage(element, received_at=now)
        if isinstance(read, Refused):
            outcomes.setdefault(place, []).append(_given_up(read, part))
        else:
            read.is_accepted_twin = _is_accepted(message)
            read.written = store.written(read)
            if not isinstance(read.usage, SLOW):
                price_ahead(read, prices.in_force)
            yield _Piece(place, part, read)


def _is_accepted(message: Incoming) -> bool:
    """Only an operator can write into the queue itself; the same header through an exchange means nothing."""
    return message.exchange == "" and message.headers.get(ACCEPT_HEADER) is True


def _given_up(result: Refused | Later, part: object) -> Outcome:
    """Give up the whole message, or only this part of it."""
    kind = Dead if isinstance(result, Refused) else Retry
    return kind(result.reason, result.detail, None if part is None else orjson.dumps(part))


async def post_usage(context: LedgerContext, facts: Sequence[UsageFact]) -> list[Refused | Later | None]:
    """Post facts in one commit; per fact None when it is in the books, now or already.

    Calls, messages and chats first and as one set, then numbers, then corrections, so that a correction finds
    its original in the same commit.
    """
    now = context.host.clock.now()
    async with transaction(context.pool) as connection:
        results = await post_within(context, connection, facts, now)
    context.host.announcer.tell({fact.account_id for fact in facts})
    return results


async def post_within(
    context: LedgerContext, connection: Connection, facts: Sequence[UsageFact], now: datetime
) -> list[Refused | Later | None]:
    results: dict[int, Refused | Later | None] = {}
    hot = [place for place, fact in enumerate(facts) if not isinstance(fact.usage, SLOW)]
    # The lock covers every account of the commit, in one order.
    rows = await store.open_usage(connection, facts)
    posting = await _judge(context, connection, [facts[place] for place in hot], [rows[place] for place in hot])
    if posting.accepted:
        await store.post(connection, posting, now)
    results.update(zip(hot, posting.outcomes, strict=True))
    integer_ids = [
        (fact.account_id, sent)
        for fact, row in zip(facts, rows, strict=True)
        if fact.integer_ids and row["is_known_account"]
        for sent in fact.integer_ids
    ]
    if integer_ids:
        await store.note_integer_ids(connection, integer_ids)
    for place, fact in enumerate(facts):
        if isinstance(fact.usage, NumberChanged):
            results[place] = await rentals.record_change(context, connection, fact, now)
    for place, fact in enumerate(facts):
        if isinstance(fact.usage, UsageAdjusted):
            results[place] = await corrections.record(context, connection, fact, now)
    for place in hot:
        if rows[place]["has_correction"] and results[place] is None:
            await corrections.settle(context, connection, facts[place].identity, now)
    return [results[place] for place in range(len(facts))]


async def _judge(
    context: LedgerContext, connection: Connection, facts: Sequence[UsageFact], rows: Sequence[asyncpg.Record]
) -> Posting:
    if not facts:
        return Posting()
    await learn_prices(context, facts, rows)
    seen = await recall_plans(connection, facts, [store.seen_of(row) for row in rows])
    return Judge(context.prices.in_force).judge(facts, seen)


async def learn_prices(context: LedgerContext, facts: Sequence[UsageFact], rows: Sequence[Any]) -> None:
    """Make sure that every price these facts may need is here, as of the versions the locked rows name."""
    newest_here = context.prices.newest_version
    unknown = {
        fact.account_id
        for fact, row in zip(facts, rows, strict=True)
        # `prices_version` is null where there is no account, and 0 where it has no prices of its own.
        if (row["prices_version"] or (row["book_version"] or 0) > newest_here)
        and row["is_known_account"]
        and not context.prices.knows(fact.account_id, row["prices_version"], row["book_version"] or 0)
    }
    if unknown:
        await context.prices.learn(unknown)
