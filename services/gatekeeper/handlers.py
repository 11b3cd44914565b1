"""What the gate does with a batch of asks: one transaction, locks first, decides in memory, writes what it decided.

A refusal's event and an authorization nobody waits for are committed before anybody is answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from services.gatekeeper import store
from services.gatekeeper.answers import Answer, answer_of, event_of
from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.domain.decide import Circumstances, decide
from services.gatekeeper.domain.outcomes import Allowed, LockedOut, Outcome, Refused, Released, may_be_for_want_of_room
from services.gatekeeper.domain.state import Account, Hold, Seen
from shared.clock import Clock
from shared.ids import ids_of
from shared.money import MICROS_PER_CENT
from shared.postgres.pool import Connection
from shared.price_books import PriceBooks
from shared.rating.compiled import CompiledBook


@dataclass(slots=True)
class Verdicts:
    """What a batch comes to: an outcome per ask, and the last state of every hold it changed."""

    outcomes: list[Outcome] = field(default_factory=list)
    holds: dict[store.Key, Hold] = field(default_factory=dict)


@dataclass(slots=True)
class Settled:
    """Answers in the order of the asks, and the accounts that have something to be announced once committed."""

    answers: list[Answer]
    told: set[str]


class Settle:
    """Decides a batch inside the caller's transaction; the caller commits, then announces, then answers."""

    def __init__(self, prices: PriceBooks, clock: Clock, *, campaign_minimum_cents: int) -> None:
        self._prices = prices
        self._clock = clock
        self._campaign_minimum_micros = campaign_minimum_cents * MICROS_PER_CENT

    async def __call__(self, connection: Connection, asks: Sequence[Ask], *, skips_locked: bool = False) -> Settled:
        """Raises LockNotAvailableError for an account locked too long; with `skips_locked` only its asks suffer."""
        now = self._clock.now()
        rows = await store.open_checks(connection, asks, now, skips_locked=skips_locked)
        verdicts, told = await self._verdicts(connection, asks, rows, now)
        if verdicts.holds or not asks:  # without asks it is a warm-up, which plans both statements
            await store.write_holds(connection, verdicts.holds, now)
            await _note_integer_ids(connection, asks)
        told |= await _record(connection, asks, verdicts.outcomes, now)
        answers = [answer_of(ask, outcome) for ask, outcome in zip(asks, verdicts.outcomes, strict=True)]
        return Settled(answers, told)

    async def preview(self, connection: Connection, ask: Ask) -> Answer:
        """What the answer would be; the caller rolls back."""
        now = self._clock.now()
        rows = await store.open_checks(connection, [ask], now)
        verdicts, _ = await self._verdicts(connection, [ask], rows, now)
        return answer_of(ask, verdicts.outcomes[0])

    async def _verdicts(
        self, connection: Connection, asks: Sequence[Ask], rows: list[asyncpg.Record], now: datetime
    ) -> tuple[Verdicts, set[str]]:
        await self._learn(rows)
        verdicts = self._judge(asks, rows, now)
        cramped = [
            row[0]
            for row, outcome in zip(rows, verdicts.outcomes, strict=True)
            if may_be_for_want_of_room(outcome) and (row["held_micros"] or row["open_call_holds"] or row["has_plan"])
        ]
        freed = set(await store.free_expired_holds(connection, cramped, now)) if cramped else set()
        if freed:
            rows = await store.open_checks(connection, asks, now, skips_locked=True)
            verdicts = self._judge(asks, rows, now)
        return verdicts, freed

    async def _learn(self, rows: list[asyncpg.Record]) -> None:
        """Have every price version the locked rows name; they can't change before we commit."""
        knows = self._prices.knows
        unknown = {
            row[0] for row in rows if row[0] is not None and not knows(row[0], row["prices_version"], row[31] or 0)
        }
        if unknown:
            await self._prices.learn(unknown)

    def _judge(self, asks: Sequence[Ask], rows: list[asyncpg.Record], now: datetime) -> Verdicts:
        """Decide in order; what one ask takes, the next of its account doesn't find."""
        verdicts = Verdicts()
        accounts: dict[str, Account | None] = {}
        books: dict[str | None, CompiledBook | None] = {}

        def book_of(account: Account) -> CompiledBook | None:
            own = account.account_id if account.prices_version else None
            if own not in books:
                found = self._prices.in_force(account.account_id, account.prices_version, now)
                books[own] = None if found is None else found.book
            return books[own]

        around = Circumstances(now, self._campaign_minimum_micros, book_of, ids_of("hold", now))
        for ask, row in zip(asks, rows, strict=True):
            if ask.account_id not in accounts:
                accounts[ask.account_id] = store.account_of(row)
            account = accounts[ask.account_id]
            key = (ask.account_id, ask.kind, ask.ref_id)
            hold = verdicts.holds[key] if key in verdicts.holds else store.hold_of(row)
            seen = Seen(account, hold, row["is_billed"], row["number_is_suspended"])
            outcome = LockedOut() if row["is_locked_out"] else decide(ask, seen, around)
            changed = _changed(outcome)
            if changed is not None and account is not None:
                account.apply(kind=ask.kind, before=hold, after=changed)
                verdicts.holds[key] = changed
            verdicts.outcomes.append(outcome)
        return verdicts


def _changed(outcome: Outcome) -> Hold | None:
    """The hold to write, if there is one."""
    if isinstance(outcome, Allowed):
        return outcome.hold if outcome.is_new else None
    return outcome.hold if isinstance(outcome, Released) else None


async def _note_integer_ids(connection: Connection, asks: Sequence[Ask]) -> None:
    integers = [(ask.account_id, ask.ref_id) for ask in asks if isinstance(ask.asked_ref_id, int)]
    if integers:
        await store.note_integer_ids(connection, integers)


async def _record(connection: Connection, asks: Sequence[Ask], outcomes: Sequence[Outcome], now: datetime) -> set[str]:
    """Leave the refusals and the events; returns whose events there are."""
    refused: list[tuple[Ask, Refused]] = []
    events = []
    for ask, outcome in zip(asks, outcomes, strict=True):
        if isinstance(outcome, Refused):
            refused.append((ask, outcome))
        elif not ask.tells:
            continue
        event = event_of(ask, outcome)
        if event is not None:
            events.append((ask.account_id, *event))
    if refused:
        await store.write_rejections(connection, refused, now)
    if events:
        await store.append_events(connection, events, now)
    return {account_id for account_id, _, _ in events}
