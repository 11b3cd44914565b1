"""The ledger against a model that fits on a page: whatever is sent, however often, late, out of order or in the
middle of a crash, both end with the same balances.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import asyncpg
import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.ledger import handlers
from services.ledger.context import LedgerContext
from services.ledger.domain.usage import UsageFact, read_usage
from services.ledger.holds import expire_holds
from services.ledger.rentals import charge_due_fees
from services.ledger.settings import LedgerSettings
from shared.clock import MovableClock
from shared.postgres.audit import audit_books
from shared.postgres.pool import open_pool, transaction
from shared.price_books import PriceBooks
from shared.runtime import Hosted
from tests.holds import place_hold
from tests.usage import call_ended, envelope, sms_sent

T = TypeVar("T")
MINUTE_MICROS, SEGMENT_MICROS, FEE_MICROS = 180_000, 10_000, 2_500_000
THIRTY_DAYS = timedelta(days=30)

_names = count()


@dataclass
class Model:
    """What the balance of one account should be, and why."""

    usage: dict[str, tuple[str, int]] = field(default_factory=dict)
    corrections: dict[str, dict[str, tuple[datetime, int]]] = field(default_factory=dict)
    rented: dict[str, datetime] = field(default_factory=dict)
    released: dict[str, datetime] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)

    def balance_micros(self, now: datetime) -> int:
        spent = sum(self._cost(event_id, kind, quantity) for event_id, (kind, quantity) in self.usage.items())
        fees = sum(self._fees(number, at, now) for number, at in self.rented.items())
        return 10_000_000 - spent - fees

    def _cost(self, event_id: str, kind: str, quantity: int) -> int:
        if kind == "sms":
            return quantity * SEGMENT_MICROS
        told = self.corrections.get(event_id)
        if told:
            quantity = max((at, name, seconds) for name, (at, seconds) in told.items())[2]
        return -(-quantity // 60) * MINUTE_MICROS

    def _fees(self, number: str, rented_at: datetime, now: datetime) -> int:
        marks = (rented_at + n * THIRTY_DAYS for n in count(1))
        for due, mark in enumerate(marks):
            if mark > now or (number in self.released and mark >= self.released[number]):
                return due * FEE_MICROS
        raise AssertionError("unreachable")


class Books:
    """The real thing, callable from hypothesis' thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: LedgerContext, clock: MovableClock) -> None:
        self._loop = loop
        self.context = context
        self.clock = clock

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


class LedgerMachine(RuleBasedStateMachine):
    """`books` is set before the machine runs."""

    books: Books

    @initialize()
    def open(self) -> None:
        self.account_id = f"machine-{next(_names)}"
        self.model = Model()
        self.sent: list[dict[str, Any]] = []
        now = self.books.clock.now()
        pool = self.books.context.pool
        self.books.run(
            pool.execute(
                "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros)"
                " VALUES ($1, 'Ada', $2, 2000000)",
                self.account_id,
                now,
            )
        )
        self.books.run(
            pool.execute(
                "SELECT ledger.post_credit_v1($1, 'credit', 'signup_credit', 10000000, 'promotions', $2, 'gift',"
                " 'event', 'signup', '{}', $3)",
                self.account_id,
                f"signup:{self.account_id}",
                now,
            )
        )

    def _facts(self, events: list[dict[str, Any]]) -> list[UsageFact]:
        facts = [read_usage(orjson.loads(orjson.dumps(event)), received_at=self.books.clock.now()) for event in events]
        assert all(isinstance(fact, UsageFact) for fact in facts), facts
        return facts  # type: ignore[return-value]

    def _send(self, *events: dict[str, Any]) -> None:
        self.sent += events
        outcomes = self.books.run(handlers.post_usage(self.books.context, self._facts(list(events))))
        assert outcomes == [None] * len(events)

    @rule(calls=st.lists(st.integers(0, 400), min_size=1, max_size=4), late=st.integers(0, 86_400))
    def calls_end(self, calls: list[int], late: int) -> None:
        events = []
        for seconds in calls:
            name = f"call-{next(_names)}"
            ended = self.books.clock.now() - timedelta(seconds=late)
            events.append(call_ended(self.account_id, name, seconds, event_id=name, ended_at=ended))
            self.model.usage[name] = ("call", seconds)
            self.model.holds.pop(name, None)
        self._send(*events)

    @rule(segments=st.integers(1, 5))
    def a_message_is_sent(self, segments: int) -> None:
        name = f"sms-{next(_names)}"
        self.model.usage[name] = ("sms", segments)
        self._send(sms_sent(self.account_id, name, segments, event_id=name, time=self.books.clock.now()))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def it_is_delivered_again(self, data: st.DataObject) -> None:
        again = data.draw(st.lists(st.sampled_from(range(len(self.sent))), min_size=1, max_size=5))
        outcomes = self.books.run(
            handlers.post_usage(self.books.context, self._facts([self.sent[place] for place in again]))
        )
        assert outcomes == [None] * len(again)

    @rule(seconds=st.integers(0, 400), crash=st.just(True))
    def the_process_dies_before_the_commit(self, seconds: int, crash: bool) -> None:
        name = f"lost-{next(_names)}"
        event = call_ended(self.account_id, name, seconds, event_id=name, ended_at=self.books.clock.now())

        async def die() -> None:
            context = self.books.context
            async with transaction(context.pool) as connection:
                await handlers.post_within(context, connection, self._facts([event]), self.books.clock.now())
                raise ConnectionAbortedError

        with contextlib.suppress(ConnectionAbortedError):
            self.books.run(die())
        self.model.usage[name] = ("call", seconds)
        self._send(event)

    @rule(data=st.data(), seconds=st.integers(0, 400), age=st.integers(0, 1_000), early=st.booleans())
    def a_call_is_corrected(self, data: st.DataObject, seconds: int, age: int, early: bool) -> None:
        calls = [name for name, (kind, _) in self.model.usage.items() if kind == "call"]
        original = f"early-{next(_names)}" if early or not calls else data.draw(st.sampled_from(calls))
        name = f"adj-{next(_names)}"
        at = self.books.clock.now() - timedelta(seconds=age)
        correction = {
            "account_id": self.account_id,
            "refers_to": {"source": "sip", "id": original},
            "duration_seconds": seconds,
        }
        self.model.corrections.setdefault(original, {})[name] = (at, seconds)
        self._send(envelope("usage.adjusted", correction, event_id=name, time=at))
        if original not in self.model.usage:
            self.model.usage[original] = ("call", 100)
            self._send(call_ended(self.account_id, original, 100, event_id=original, ended_at=self.books.clock.now()))

    @rule(age_days=st.integers(0, 70))
    def a_number_is_rented(self, age_days: int) -> None:
        number = f"n{next(_names)}"
        at = self.books.clock.now() - timedelta(days=age_days)
        self.model.rented[number] = at
        self._change("rented", number, at)

    @precondition(lambda self: set(self.model.rented) - set(self.model.released))
    @rule(data=st.data(), age_days=st.integers(0, 40))
    def a_number_is_released(self, data: st.DataObject, age_days: int) -> None:
        number = data.draw(st.sampled_from(sorted(set(self.model.rented) - set(self.model.released))))
        at = max(self.books.clock.now() - timedelta(days=age_days), self.model.rented[number])
        self.model.released[number] = at
        self._change("released", number, at)

    def _change(self, change: str, number: str, at: datetime) -> None:
        data = {"account_id": self.account_id, "number_id": number, "number": "+15550100", "at": at.isoformat()}
        self._send(envelope(f"number.{change}", data, event_id=f"{change}-{number}", time=at))

    @rule(days=st.sampled_from([0, 1, 29, 31, 65]))
    def time_passes(self, days: int) -> None:
        self.books.clock.move_to_offset(self.books.clock.offset + timedelta(days=days))
        self.books.run(charge_due_fees(self.books.context))
        self.books.run(charge_due_fees(self.books.context))

    @rule(amount=st.integers(0, 3_000_000))
    def money_is_held(self, amount: int) -> None:
        """The door itself refuses to hold what is not there."""
        name = f"call-{next(_names)}"
        now = self.books.clock.now()
        fits = amount <= self._balance() - sum(self.model.holds.values())
        try:
            self.books.run(
                place_hold(
                    self.books.context.pool,
                    self.account_id,
                    name,
                    amount_micros=amount,
                    expires_at=now + timedelta(days=3),
                    now=now,
                )
            )
        except asyncpg.CheckViolationError:
            assert not fits
            assert amount > 0
        else:
            assert fits or amount == 0
            self.model.holds[name] = amount

    @precondition(lambda self: self.model.holds)
    @rule()
    def a_held_call_ends(self) -> None:
        name = next(iter(self.model.holds))
        del self.model.holds[name]
        self.model.usage[name] = ("call", 61)
        self._send(call_ended(self.account_id, name, 61, event_id=name, ended_at=self.books.clock.now()))

    @rule()
    def holds_expire(self) -> None:
        self.books.clock.move_to_offset(self.books.clock.offset + timedelta(days=4))
        self.books.run(expire_holds(self.books.context))
        self.model.holds.clear()

    def _balance(self) -> int:
        """After fees: both sides know the same time."""
        self.books.run(charge_due_fees(self.books.context))
        return self.model.balance_micros(self.books.clock.now())

    @invariant()
    def both_agree(self) -> None:
        if not hasattr(self, "account_id"):
            return
        expected = self._balance()
        row = self.books.run(
            self.books.context.pool.fetchrow(
                "SELECT balance_micros, held_micros FROM ledger.accounts WHERE account_id = $1", self.account_id
            )
        )
        assert row["balance_micros"] == expected
        assert row["held_micros"] == sum(self.model.holds.values())


async def test_the_ledger_agrees_with_its_model(ringfence: Hosted, database_url: str) -> None:
    pool = await open_pool(database_url, "ledger")
    clock = MovableClock()
    context = LedgerContext(replace(ringfence.host, clock=clock), pool, PriceBooks(pool), LedgerSettings())
    await context.prices.learn()
    LedgerMachine.books = Books(asyncio.get_running_loop(), context, clock)
    limits = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, LedgerMachine, settings=limits)
    await pool.close()
    assert (await audit_books(database_url)).findings == ()
