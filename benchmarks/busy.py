"""The gate while the ledger works: at a fixed pace beside the billing, beside a backlog, and on one hot customer."""

import asyncio
from collections.abc import Awaitable, Sequence
from statistics import median

from benchmarks.cpu import Micros, mean_micros
from benchmarks.figures import Figure, Pair, Spread, median_figure
from benchmarks.gate import checked
from benchmarks.limits import Limits
from benchmarks.over_amqp import both
from benchmarks.pace import check_at_a_pace, pace
from benchmarks.stage import Stage
from benchmarks.system import ACCOUNTS, System, system
from benchmarks.traffic import account_ids
from benchmarks.wire import Wire

ROUNDS = 3
SECONDS = 10
CHECKS_PER_SECOND = 1_000
EVENTS_PER_SECOND = 1_000
P99_MS_MAX = 25
BACKLOG = 60_000
EVENTS_PER_MESSAGE = 100
BACKLOG_CHECKS_PER_SECOND = 300
IN_FLIGHT = 32
HOT_SECONDS = 5
HOT_EVENTS_PER_SECOND = 200


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    async with system(stage) as running, Wire.open(stage.amqp_url) as wire:
        await pace(EVENTS_PER_SECOND, 1, wire.publisher_of_singles("warm"))
        figures = [
            await _while_billing(stage, running, wire),
            await _beside_a_backlog(stage, running, wire),
            await _one_hot_customer(stage, running, wire, limits),
        ]
        await wire.all_settled()
        await running.audit()
    return figures


async def _while_billing(stage: Stage, running: System, wire: Wire) -> Figure:
    """From when each check was due; the middle one of three runs."""
    spreads: list[Spread] = []
    spent: list[Micros] = []
    seconds = stage.seconds(SECONDS)
    for turn in range(stage.rounds(ROUNDS)):
        running.meter.begin()
        billing = pace(EVENTS_PER_SECOND, seconds, wire.publisher_of_singles(f"calm-{turn}"))
        checking = check_at_a_pace(running.gate.url, CHECKS_PER_SECOND, seconds, f"check-{turn}")
        _, latencies_ms = await both(billing, checking)
        await wire.all_settled()
        spreads.append(Spread.of(latencies_ms))
        spent.append(running.meter.micros(len(latencies_ms)))
    return _allowed(
        f"gate, p99 at {CHECKS_PER_SECOND:,} checks/s while {EVENTS_PER_SECOND:,} events/s are billed",
        spreads,
        spent,
        target=1.0,
    )


async def _beside_a_backlog(stage: Stage, running: System, wire: Wire) -> Figure:
    """The ledger has more to do than it can, all the time that checks are made."""
    calls = [(f"acct-{place % ACCOUNTS:06d}", f"backlog-{place}") for place in range(stage.many(BACKLOG, whole=100))]
    running.meter.begin()
    began = asyncio.get_running_loop().time()
    await wire.publish(calls, EVENTS_PER_MESSAGE, began)
    latencies_ms = await _until(wire.all_settled(), running)
    spread = Spread.of(latencies_ms)
    name = f"gate, p99 at {BACKLOG_CHECKS_PER_SECOND} checks/s while the ledger works off a backlog"
    return _allowed(name, [spread], [running.meter.micros(len(latencies_ms))], target=None)


async def _until(over: Awaitable[None], running: System) -> list[float]:
    """Latencies of checks made until then."""
    latencies_ms: list[float] = []
    waiting = asyncio.ensure_future(over)
    turn = 0
    while not waiting.done() or not latencies_ms:
        latencies_ms += await check_at_a_pace(running.gate.url, BACKLOG_CHECKS_PER_SECOND, 0.5, f"backlogged-{turn}")
        turn += 1
    await waiting
    return latencies_ms


def _allowed(name: str, spreads: Sequence[Spread], spent: Sequence[Micros], target: float | None) -> Figure:
    return Figure(
        name,
        median(spread.p99 for spread in spreads),
        "ms",
        P99_MS_MAX,
        "ms, the most allowed",
        target=target,
        bound="most",
        spread=Spread.middle(spreads),
        cpu=mean_micros(spent),
    )


async def _one_hot_customer(stage: Stage, running: System, wire: Wire, limits: Limits) -> Figure:
    """All checks and all usage of one account, whose row both the gate and the ledger must lock."""
    wrk, pgbench = await limits.wrk(), await limits.pgbench()
    hot = account_ids(1)
    runs: list[tuple[Pair, Spread, Micros]] = []
    seconds = stage.seconds(HOT_SECONDS)
    for turn in range(stage.rounds(ROUNDS)):
        limit = await pgbench.hot_update(stage.seconds(3))
        billing = pace(HOT_EVENTS_PER_SECOND, seconds, wire.publisher_of_singles(f"hot-{turn}", hot))
        _, (answered, spent) = await both(billing, checked(running, wrk, IN_FLIGHT, seconds, accounts=1))
        await wire.all_settled()
        runs.append((Pair(answered.per_second, limit), answered.spread, spent))
    return median_figure(
        f"gate, one hot customer, {IN_FLIGHT} in flight, {HOT_EVENTS_PER_SECOND} of its events/s billed",
        [pair for pair, _, _ in runs],
        unit="checks/s",
        limit_is="tps, pgbench on one row, 8 clients",
        target=None,
        spread=Spread.middle([spread for _, spread, _ in runs]),
        cpu=mean_micros([spent for _, _, spent in runs]),
    )
