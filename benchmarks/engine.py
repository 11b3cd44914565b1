"""The posting engine: from a message's bytes to committed books, without the broker.

Timed is the handler of the usage queue: strict JSON, validation, rating, settling the hold, transfers, balances,
news to announce, commit. Before: the holds are placed. After: the audit, and a count of what was posted.
"""

import gc
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from benchmarks.cpu import Meter, Micros, mean_micros
from benchmarks.figures import Figure, Pair, median_figure
from benchmarks.limits import Limits
from benchmarks.stage import PLATFORM_KEY, Stage
from benchmarks.traffic import account_ids, call_ended, hold_calls, open_accounts
from services.ledger.context import LedgerContext
from services.ledger.handlers import ChargeUsage
from services.ledger.settings import LedgerSettings
from shared.access import Access
from shared.announcer import Announcer
from shared.clock import MovableClock
from shared.collector import relax_collector
from shared.messaging.messages import Incoming
from shared.messaging.rabbit import Rabbit
from shared.postgres.audit import audit_books
from shared.postgres.pool import open_pool
from shared.price_books import PriceBooks
from shared.service import Host
from shared.settings import Settings

ACCOUNTS = 1_000
EVENTS = 24_000
WARM_UP_EVENTS = 2_000
EVENTS_PER_MESSAGE = 100
MESSAGES_PER_BATCH = 40
ROUNDS = 3
PGBENCH_IS = "tps, pgbench simple-update, 8 clients"


@dataclass(frozen=True)
class Engine:
    """The ledger's handler on books of its own."""

    url: str
    owner: asyncpg.Connection
    context: LedgerContext
    charge: ChargeUsage
    meter: Meter


@asynccontextmanager
async def engine(stage: Stage, accounts: int = ACCOUNTS) -> AsyncIterator[Engine]:
    """Fresh books with so many accounts."""
    url = await stage.books()
    async with AsyncExitStack() as stack:
        owner = await asyncpg.connect(url)
        stack.push_async_callback(owner.close)
        pool = await stack.enter_async_context(await open_pool(url, "ledger"))
        clock = MovableClock()
        await open_accounts(owner, account_ids(accounts), clock.now())
        prices = PriceBooks(pool)
        await prices.learn()
        broker = Rabbit(stage.amqp_url)
        stack.push_async_callback(broker.close)
        await broker.open()
        settings = Settings(postgres_url=url, amqp_url=stage.amqp_url, platform_key=PLATFORM_KEY)
        host = Host(settings, clock, broker, _nobody(), Announcer(pool, broker, clock), _no_other_pool)
        context = LedgerContext(host, pool, prices, LedgerSettings())
        yield Engine(url, owner, context, ChargeUsage(context), stage.meter())


def _no_other_pool(*_: object, **__: object) -> AbstractAsyncContextManager[asyncpg.Pool]:
    raise AssertionError("the engine has its pool")


def _nobody() -> Access:
    async def none(_: object) -> None:
        return None

    return Access(none, none, cache_seconds=0)


@dataclass(frozen=True, slots=True)
class Posted:
    """One timed run: events per second of wall time, and CPU per event."""

    per_second: float
    cpu: Micros


async def post(engine: Engine, label: str, of: Sequence[str], events: int) -> Posted:
    """Hold, then time the posting of so many calls, spread over these accounts in turn."""
    now = engine.context.host.clock.now()
    calls = [(of[place % len(of)], f"{label}-{place}") for place in range(events)]
    await hold_calls(engine.owner, calls, now)
    return await charge(engine, [call_ended(account_id, call_id, now) for account_id, call_id in calls])


async def charge(engine: Engine, events: Sequence[dict[str, Any]]) -> Posted:
    """Time the handler on these events, a hundred a message, as many messages a batch as the consumer may take."""
    messages = [
        Incoming(body=orjson.dumps(events[at : at + EVENTS_PER_MESSAGE]), exchange="ringfence.usage")
        for at in range(0, len(events), EVENTS_PER_MESSAGE)
    ]
    batches = [messages[at : at + MESSAGES_PER_BATCH] for at in range(0, len(messages), MESSAGES_PER_BATCH)]
    relax_collector()
    engine.meter.begin()
    began = time.perf_counter()
    for batch in batches:
        outcomes = await engine.charge(batch)
        assert not outcomes, f"not posted: {str(outcomes)[:500]}"
    seconds = time.perf_counter() - began
    cpu = engine.meter.micros(len(events))
    gc.unfreeze()
    return Posted(len(events) / seconds, cpu)


async def settle_down(engine: Engine) -> None:
    """Forget the news that nobody announces here, and let the statistics be right: neither is timed."""
    await engine.owner.execute("TRUNCATE ledger.news")
    await engine.owner.execute("VACUUM (ANALYZE) ledger.accounts")
    await engine.owner.execute("ANALYZE ledger.holds, ledger.usage_events, ledger.transfers")


async def check(engine: Engine, reason: str, posted: int, *, settled: int) -> None:
    """The audit, and that everything was posted, each once."""
    report = await audit_books(engine.url)
    assert not report.findings, report.findings
    found = await engine.owner.fetchval("SELECT count(*) FROM ledger.transfers WHERE reason = $1", reason)
    billed = await engine.owner.fetchval("SELECT count(*) FROM ledger.holds WHERE state = 'billed'")
    assert (found, billed) == (posted, settled), (found, billed)


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """Uniform over 1,000 accounts, and one hot account; each right after pgbench, three times."""
    pgbench = await limits.pgbench()
    events, warm_up = stage.many(EVENTS), stage.many(WARM_UP_EVENTS)
    rounds = stage.rounds(ROUNDS)
    uniform: list[tuple[Posted, float]] = []
    hot: list[tuple[Posted, float]] = []
    async with engine(stage) as ready:
        everyone = account_ids(ACCOUNTS)
        await post(ready, "warm", everyone, warm_up)
        for turn in range(rounds):
            await settle_down(ready)
            limit = await pgbench.simple_update(stage.seconds(10))
            uniform.append((await post(ready, f"uniform-{turn}", everyone, events), limit))
            await settle_down(ready)
            hot.append((await post(ready, f"hot-{turn}", everyone[:1], events), limit))
        posted = warm_up + 2 * rounds * events
        await check(ready, "call", posted, settled=posted)
    return [
        beside_pgbench("engine, 1,000 accounts", uniform, target=4.0),
        beside_pgbench("engine, one hot account", hot, target=5.0),
    ]


def beside_pgbench(name: str, runs: Iterable[tuple[Posted, float]], target: float | None) -> Figure:
    """Events per second beside pgbench's transactions."""
    taken = list(runs)
    return median_figure(
        name,
        [Pair(posted.per_second, limit) for posted, limit in taken],
        unit="events/s",
        limit_is=PGBENCH_IS,
        target=target,
        cpu=mean_micros([posted.cpu for posted, _ in taken]),
    )
