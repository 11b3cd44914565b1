"""Usage of clients whose plans start, renew and stop, told at once, late, in any order and corrected: twins are told the
same in different orders, and must end with the same seconds in each pool and the same money. A model that fits on a
page says how much of it had to be money, and how much minutes (contract §3, §7).
"""

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

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

from services.gatekeeper.service import GATEKEEPER
from services.ledger import handlers
from services.ledger.context import LedgerContext
from services.ledger.domain.usage import UsageFact, read_usage
from services.ledger.settings import LedgerSettings
from services.subscriptions.clockwork import advance_due_subscriptions
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.late_usage import ask_for_late_usage
from services.subscriptions.settings import SubscriptionSettings
from services.subscriptions.stories import QUERIES
from services.subscriptions.subscribing import cancel_subscription, start_subscription
from shared.clock import MovableClock
from shared.postgres.audit import audit_books
from shared.postgres.pool import open_pool, transaction
from shared.price_books import PriceBooks
from shared.rating.default_book import DEFAULT_BOOK
from tests.conftest import HostServices
from tests.services.subscriptions.many import administrator
from tests.usage import call_ended, envelope

MINUTE_MICROS = 180_000
START = datetime(2027, 1, 31, 12, 0, 0, 400_000, tzinfo=UTC)
PLANS = {"plan_rated": "0.10", "plan_flat": None}
STATE = """
    SELECT included_ms, wallet_ms, billable_ms, late_ms, held_ms, balance_micros,
           (SELECT coalesce(sum(CASE WHEN pool IN ('billable', 'late') THEN amount_ms ELSE -amount_ms END), 0)
            FROM ledger.pool_transfers AS moved
            WHERE moved.account_id = accounts.account_id AND reason IN ('used', 'corrected'))::bigint AS moved_ms,
           (SELECT coalesce(sum(amount_cents), 0) FROM subscriptions.payment_requests AS asked
            WHERE asked.account_id = accounts.account_id AND kind = 'usage')::bigint AS asked_cents
    FROM ledger.accounts LEFT JOIN ledger.pools USING (account_id) WHERE account_id = $1
    """

_names = count()


@dataclass
class Call:
    """One call of both twins: whether a plan had run as it ended, when it was told; its length as last corrected."""

    is_on_plan: bool
    seconds: int


class World:
    """The ledger and subscriptions, callable from hypothesis' thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ledger: LedgerContext,
        subscriptions: SubscriptionsContext,
        admin: asyncpg.Pool,
    ) -> None:
        self._loop = loop
        self.ledger = ledger
        self.subscriptions = subscriptions
        self.admin = admin

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


class StillClock(MovableClock):
    """It stands until it is moved: the same steps at the same times, whenever they are run."""

    def __init__(self) -> None:
        super().__init__()
        self.at = START

    def now(self) -> datetime:
        return self.at


class PlanMachine(RuleBasedStateMachine):
    """`world`, `clock` and `url` are set before the machine runs."""

    world: World
    clock: StillClock
    url: str

    @initialize()
    def open(self) -> None:
        number = next(_names)
        self.clock.at = START
        self.twins = (f"a-straight-{number}", f"b-shuffled-{number}")
        self.calls: dict[str, Call] = {}
        self.era: list[str] = []
        self.windows: list[list[datetime | None]] = []
        self.began = self._now()
        self.world.run(self._insert())

    async def _insert(self) -> None:
        async with administrator(self.url) as admin:
            await admin.execute(
                "INSERT INTO ledger.accounts (account_id, parent_id, name, low_balance_micros, created_at)"
                " SELECT unnest($1::text[]), 'agency', 'Twin', 0, $2",
                list(self.twins),
                self.began,
            )
            await admin.execute(
                "INSERT INTO subscriptions.clients (account_id, agency_id) SELECT unnest($1::text[]), 'agency'",
                list(self.twins),
            )

    def _now(self) -> datetime:
        return self.world.subscriptions.now()

    def _runs(self) -> bool:
        return bool(self.windows) and self.windows[-1][1] is None

    @precondition(lambda self: not self._runs())
    @rule(plan=st.sampled_from(sorted(PLANS)))
    def a_subscription_starts(self, plan: str) -> None:
        now = self._now()

        async def start() -> None:
            async with transaction(self.world.subscriptions.pool) as connection:
                for twin in self.twins:
                    await connection.execute(QUERIES.set_plan, twin, plan)
                    await start_subscription(connection, account_id=twin, agency_id="agency", by_client=False, now=now)

        self.world.run(start())
        self.windows.append([now.replace(microsecond=0), None])
        self.era.clear()
        self.clock.at += timedelta(seconds=2)

    @precondition(lambda self: self._runs())
    @rule()
    def it_is_canceled(self) -> None:
        now = self._now()

        async def cancel() -> None:
            async with transaction(self.world.subscriptions.pool) as connection:
                for twin in self.twins:
                    await cancel_subscription(connection, account_id=twin, agency_id="agency", now=now)

        self.world.run(cancel())
        self.windows[-1][1] = now
        self.era.clear()
        self.clock.at += timedelta(seconds=2)

    @rule(hours=st.sampled_from([0.5, 30, 24 * 33]))
    def time_passes(self, hours: float) -> None:
        self.clock.at += timedelta(hours=hours)
        self.world.run(advance_due_subscriptions(self.world.subscriptions))
        self.era.clear()

    @rule(minutes=st.integers(1, 5))
    def a_pack_is_applied(self, minutes: int) -> None:
        origin = f"gift-{next(_names)}"

        async def grant() -> None:
            async with transaction(self.world.subscriptions.pool) as connection:
                for twin in self.twins:
                    await connection.execute(
                        QUERIES.grant_minutes, twin, minutes * 60_000, f"{origin}:{twin}", self._now()
                    )

        self.world.run(grant())

    @rule(data=st.data(), lengths=st.lists(st.integers(0, 400), min_size=1, max_size=5), seed=st.integers(0, 99))
    def calls_of_any_time_are_told(self, data: st.DataObject, lengths: list[int], seed: int) -> None:
        moments = [self.began, self._now()]
        for start, stop in self.windows:
            assert start is not None
            moments += [max(start - timedelta(seconds=1), self.began), max(start, self.began)]
            moments += [] if stop is None else [stop - timedelta(milliseconds=1), stop, stop + timedelta(seconds=1)]
        events: list[tuple[str, datetime, int, str | None]] = []
        for seconds in lengths:
            ended_at = min(data.draw(st.sampled_from(moments)), self._now())
            name = f"call-{next(_names)}"
            self.calls[name] = Call(self._ran_at(ended_at), seconds)
            events.append((name, ended_at, seconds, None))
        self._tell(events, seed)
        if not self._runs():
            self.late_usage_is_asked_for()
        # What is corrected below has been used since the pools last began anew.
        self.era += [name for name in (event[0] for event in events) if self._runs()]

    @precondition(lambda self: self.windows)
    @rule(data=st.data(), lengths=st.lists(st.integers(0, 400), min_size=1, max_size=3), seed=st.integers(0, 99))
    def calls_of_the_last_plan_are_told_and_corrected(self, data: st.DataObject, lengths: list[int], seed: int) -> None:
        start, stop = self.windows[-1]
        assert start is not None
        ended_at = max(start, self.began) if stop is None else stop - timedelta(milliseconds=1)
        if ended_at < start:
            return
        events: list[tuple[str, datetime, int, str | None]] = []
        for seconds in lengths:
            name = f"call-{next(_names)}"
            self.calls[name] = Call(self._ran_at(ended_at), seconds)
            self.era.append(name)
            events.append((name, ended_at, seconds, None))
        for name in dict.fromkeys(data.draw(st.sampled_from(self.era)) for _ in range(2)):
            self.calls[name].seconds = data.draw(st.integers(0, 400))
            events.append((f"adj-{next(_names)}", self._now(), self.calls[name].seconds, name))
        self._tell(events, seed)

    @rule()
    def late_usage_is_asked_for(self) -> None:
        self.world.run(ask_for_late_usage(self.world.subscriptions))
        if not self._runs():
            self.era.clear()

    def _tell(self, events: list[tuple[str, datetime, int, str | None]], seed: int) -> None:
        straight, shuffled = self.twins
        self._post([_event(straight, *event) for event in events])
        again = [_event(shuffled, *event) for event in events]
        random.Random(seed).shuffle(again)
        for event in again:
            self._post([event])

    def _post(self, events: list[dict[str, Any]]) -> None:
        facts = [read_usage(orjson.loads(orjson.dumps(event)), received_at=self.clock.now()) for event in events]
        assert all(isinstance(fact, UsageFact) for fact in facts), facts
        assert self.world.run(handlers.post_usage(self.world.ledger, facts)) == [None] * len(facts)  # type: ignore[arg-type]

    def _ran_at(self, at: datetime) -> bool:
        return any(start is not None and start <= at and (stop is None or at < stop) for start, stop in self.windows)

    @invariant()
    def twins_end_alike_and_as_the_model_says(self) -> None:
        if not hasattr(self, "twins"):
            return
        rows = [self.world.run(self.world.admin.fetchrow(STATE, twin)) for twin in self.twins]
        assert dict(rows[0]) == dict(rows[1])
        money = sum(-(-call.seconds // 60) for call in self.calls.values() if not call.is_on_plan)
        assert rows[0]["balance_micros"] == -money * MINUTE_MICROS
        minutes_ms = sum(call.seconds * 1000 for call in self.calls.values() if call.is_on_plan)
        assert rows[0]["moved_ms"] == minutes_ms


def _event(account_id: str, name: str, at: datetime, seconds: int, corrects: str | None) -> dict[str, Any]:
    if corrects is None:
        return call_ended(account_id, name, seconds, event_id=name, ended_at=at)
    data = {"account_id": account_id, "refers_to": {"source": "sip", "id": corrects}, "duration_seconds": seconds}
    return envelope("usage.adjusted", data, event_id=name, time=at)


async def test_whatever_the_order_plans_count_the_same_seconds_and_money(
    host_services: HostServices, database_url: str
) -> None:
    """«10,000 events in any order end in the same balances to the micro (with minute pools: the same seconds in each
    pool)»."""
    hosted = await host_services(GATEKEEPER)
    clock = StillClock()
    host = replace(hosted.host, clock=clock)
    pools = [await open_pool(database_url, name) for name in ("ledger", "subscriptions", "audit")]
    ledger = LedgerContext(host, pools[0], PriceBooks(pools[0]), LedgerSettings())
    async with administrator(database_url) as admin:
        await admin.execute(
            "INSERT INTO ledger.accounts (account_id, is_agency, name, low_balance_micros, created_at)"
            " VALUES ('agency', true, 'Agency', 0, now())"
        )
        await admin.execute(
            "INSERT INTO ledger.price_books (version, effective_at, book, created_at)"
            " VALUES (1, '2020-01-01T00:00:00Z', $1, now())",
            orjson.dumps(DEFAULT_BOOK).decode(),
        )
        for plan, rate in PLANS.items():
            await admin.execute(
                "INSERT INTO subscriptions.plans VALUES ($1, 'agency', 'Plan', 'active', 'USD', 4900, $2, 5, 'monthly',"
                " 1, 365, 3, true, true, NULL, now())",
                plan,
                rate,
            )
    await ledger.prices.learn()
    subscriptions = SubscriptionsContext(host, pools[1], SubscriptionSettings())
    world = World(asyncio.get_running_loop(), ledger, subscriptions, pools[2])
    PlanMachine.world, PlanMachine.clock, PlanMachine.url = world, clock, database_url
    limits = settings(
        max_examples=6,
        stateful_step_count=15,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    try:
        await asyncio.to_thread(run_state_machine_as_test, PlanMachine, settings=limits)
    finally:
        for pool in pools:
            await pool.close()
    assert (await audit_books(database_url)).findings == ()
