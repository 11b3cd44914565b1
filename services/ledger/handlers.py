"""What the ledger does with messages.

ChargeUsage             usage events from `ringfence.usage`: price, post, settle holds, tell the balance (the hot path)
take_up_waiting_usage   the same for usage that had to wait in the books
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from services.ledger import corrections, rentals, store
from services.ledger.context import LedgerContext
from services.ledger.domain.posting import Judge, Later, Posting
from services.ledger.domain.usage import Refused, UsageFact, read_usage, stored_usage
from services.ledger.store import QUERIES
from shared import strict_json
from shared.contracts.usage_v1 import NumberChanged, UsageAdjusted
from shared.messaging.messages import Dead, Incoming, Outcome, Outcomes, Retry
from shared.postgres.pool import Connection, transaction

EVENTS_PER_COMMIT_MAX = 256
ACCEPT_HEADER = "ringfence-accept-twin"


@dataclass(slots=True)
class _Piece:
    """One event of one message. `body` is set when the message held several: only this part is given up."""

    message: int
    body: bytes | None
    fact: UsageFact


class ChargeUsage:
    """Takes a batch of messages, posts their events in as few commits as there are hundreds of them."""

    def __init__(self, context: LedgerContext) -> None:
        self._context = context

    async def __call__(self, batch: Sequence[Incoming]) -> Outcomes:
        outcomes: dict[int, list[Outcome]] = {}
        pieces = list(self._read(batch, outcomes))
        for start in range(0, len(pieces), EVENTS_PER_COMMIT_MAX):
            chunk = pieces[start : start + EVENTS_PER_COMMIT_MAX]
            results = await post_usage(self._context, [piece.fact for piece in chunk])
            for piece, result in zip(chunk, results, strict=True):
                if result is not None:
                    outcomes.setdefault(piece.message, []).append(_given_up(result, piece.body))
        return outcomes

    def _read(self, batch: Sequence[Incoming], outcomes: dict[int, list[Outcome]]) -> Iterator[_Piece]:
        now = self._context.host.clock.now()
        for place, message in enumerate(batch):
            try:
                value = strict_json.loads(message.body)
            except strict_json.NotStrictJson as error:
                outcomes[place] = [Dead("invalid_event", str(error))]
                continue
            if value == []:
                outcomes[place] = [Dead("invalid_event", "an empty array holds no event")]
            several = isinstance(value, list)
            for element in value if several else [value]:
                body = orjson.dumps(element) if several else None
                read = read_usage(element, received_at=now)
                if isinstance(read, Refused):
                    outcomes.setdefault(place, []).append(_given_up(read, body))
                else:
                    read.is_accepted_twin = _is_accepted(message)
                    yield _Piece(place, body, read)


def _is_accepted(message: Incoming) -> bool:
    """Only an operator can write into the queue itself; the same header through an exchange means nothing."""
    return message.exchange == "" and message.headers.get(ACCEPT_HEADER) is True


def _given_up(result: Refused | Later, body: bytes | None) -> Outcome:
    kind = Dead if isinstance(result, Refused) else Retry
    return kind(result.reason, result.detail, body)


async def post_usage(context: LedgerContext, facts: Sequence[UsageFact]) -> list[Refused | Later | None]:
    """Post facts in one commit; per fact None when it is in the books, now or already.

    Calls, messages and chats first and as one set, then numbers, then corrections, so that a correction finds
    its original in the same commit.
    """
    now = context.host.clock.now()
    async with transaction(context.pool) as connection:
        results = await _post_within(context, connection, facts, now)
    context.host.announcer.tell({fact.account_id for fact in facts})
    return results


async def _post_within(
    context: LedgerContext, connection: Connection, facts: Sequence[UsageFact], now: datetime
) -> list[Refused | Later | None]:
    results: dict[int, Refused | Later | None] = {}
    hot = [place for place, fact in enumerate(facts) if not isinstance(fact.usage, NumberChanged | UsageAdjusted)]
    # The lock covers every account of the commit, in one order.
    rows = await store.open_usage(connection, facts)
    posting = await _judge(context, [facts[place] for place in hot], [rows[place] for place in hot])
    if posting.accepted:
        await store.post(connection, posting, now)
    results.update(zip(hot, posting.outcomes, strict=True))
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


async def take_up_waiting_usage(context: LedgerContext) -> None:
    """Post usage that waited for its period to open (a client's plan renewed a moment after the usage ended)."""
    while True:
        now = context.host.clock.now()
        async with transaction(context.pool) as connection:
            rows = await connection.fetch(QUERIES.take_up_waiting_usage, EVENTS_PER_COMMIT_MAX)
            facts = [stored_usage(**row) for row in rows]
            if facts:
                await _post_within(context, connection, facts, now)
        if not facts:
            return
        context.host.announcer.tell({fact.account_id for fact in facts})


async def _judge(context: LedgerContext, facts: Sequence[UsageFact], rows: Sequence[asyncpg.Record]) -> Posting:
    if not facts:
        return Posting()
    await learn_prices(context, facts, rows)
    return Judge(context.prices.in_force).judge(facts, [store.seen_of(row) for row in rows])


async def learn_prices(context: LedgerContext, facts: Sequence[UsageFact], rows: Sequence[Any]) -> None:
    """Make sure that every price these facts may need is here, as of the versions the locked rows name."""
    unknown = {
        fact.account_id
        for fact, row in zip(facts, rows, strict=True)
        if row["is_known_account"]
        and not context.prices.knows(fact.account_id, row["prices_version"], row["book_version"] or 0)
    }
    if unknown:
        await context.prices.learn(unknown)
