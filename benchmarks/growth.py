"""What an event costs as the books grow, and what the audit takes: CPU time, of Python and PostgreSQL together."""

import os
import time
from pathlib import Path
from statistics import median

from benchmarks.engine import ACCOUNTS, Engine, engine, post
from benchmarks.figures import Figure
from benchmarks.limits import Limits
from benchmarks.stage import Stage, cpu_seconds
from benchmarks.traffic import account_ids
from deploy.local.processes import descendants
from shared.postgres.audit import audit_books

SIZES = (10_000, 1_000_000, 2_000_000)
CALLS_PER_FILL = 50
EVENTS = 10_000
ROUNDS = 5
AUDIT_SECONDS_MAX = 20
FILL = Path(__file__).with_name("fill.sql").read_text(encoding="utf-8")


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """The first size is the limit that the others are held to."""
    costs: list[float] = []
    audits: list[float] = []
    async with engine(stage) as ready:
        for size in SIZES:
            await _grow(ready, size)
            costs.append(await _cost_micros(ready, size))
            began = time.perf_counter()
            report = await audit_books(ready.url)
            audits.append(time.perf_counter() - began)
            assert not report.findings, report.findings
    return [
        *(
            Figure(
                f"cost of an event at {size:,} transfers",
                cost,
                "µs CPU",
                costs[0],
                f"µs at {SIZES[0]:,}",
                target=1.2,
                bound="most",
            )
            for size, cost in zip(SIZES[1:], costs[1:], strict=True)
        ),
        Figure(
            f"audit of {SIZES[1]:,} transfers", audits[1], "s", AUDIT_SECONDS_MAX, "s, the most allowed", 1.0, "most"
        ),
    ]


async def _grow(engine: Engine, size: int) -> None:
    there = await engine.owner.fetchval("SELECT count(*) FROM ledger.usage_events")
    place = there // ACCOUNTS
    while place * ACCOUNTS < size - EVENTS:
        calls = min(CALLS_PER_FILL, (size - EVENTS) // ACCOUNTS - place) or 1
        await engine.owner.execute(FILL, calls, 1_000_000 + place, engine.context.host.clock.now(), timeout=300)
        place += calls
    await engine.owner.execute("TRUNCATE ledger.news")
    await engine.owner.execute("VACUUM (ANALYZE) ledger.accounts")
    await engine.owner.execute("VACUUM (ANALYZE) ledger.holds, ledger.usage_events, ledger.transfers")


async def _cost_micros(engine: Engine, size: int) -> float:
    """CPU time of an event, the median of some runs; a first one warms plans and pages."""
    everyone = account_ids(ACCOUNTS)
    costs: list[float] = []
    for turn in range(ROUNDS + 1):
        # Holds are placed inside, by the owner's connection: counted alike at every size.
        family = [os.getpid(), *descendants(os.getpid())]
        before = cpu_seconds(family)
        await post(engine, f"grown-{size}-{turn}", everyone, EVENTS)
        costs.append((cpu_seconds(family) - before) / EVENTS * 1e6)
    return median(costs[1:])
