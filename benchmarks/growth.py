"""What an event, a check and the audit cost as the books grow: CPU time, of Python and PostgreSQL together.

`--transfers 10000000` adds a size. At each the same work is done on the same 1,000 accounts; at the end 99,000 more
are opened. Nothing may cost a fifth more than it did at the first size.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.checks import Checks, checks
from benchmarks.engine import ACCOUNTS, Engine, engine, post
from benchmarks.figures import Figure
from benchmarks.limits import Limits
from benchmarks.stage import Stage
from benchmarks.traffic import account_ids, open_accounts
from shared.postgres.audit import audit_books

SIZES = (10_000, 1_000_000)
MANY_ACCOUNTS = 100_000
CALLS_PER_FILL = 50
EVENTS = 10_000
CHECKS = 5_000
ROUNDS = 5
FLAT = 1.2
AUDIT_SECONDS_MAX = 20
FILL = Path(__file__).with_name("fill.sql").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Size:
    """What was there, and what things cost then: µs of CPU; the audit in seconds, and in µs a transfer."""

    words: str
    transfers: int
    event_micros: float
    check_micros: float
    audit_seconds: float

    @property
    def audit_micros(self) -> float:
        return self.audit_seconds / self.transfers * 1e6


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """The first size is the limit that the others are held to."""
    sizes: list[_Size] = []
    async with AsyncExitStack() as stack:
        ready = await stack.enter_async_context(engine(stage))
        gate = await stack.enter_async_context(checks(stage, ready.url))
        for size in sorted({stage.many(size, whole=ACCOUNTS) for size in (*SIZES, *stage.more_transfers)}):
            await _grow(ready, size)
            sizes.append(await _costs(stage, ready, gate, f"{size:,} transfers"))
        await _more_accounts(stage, ready)
        sizes.append(await _costs(stage, ready, gate, f"{sizes[-1].words} and {stage.many(MANY_ACCOUNTS):,} accounts"))
    return _figures(sizes)


def _figures(sizes: Sequence[_Size]) -> list[Figure]:
    first = sizes[0]
    figures: list[Figure] = []
    for size in sizes[1:]:
        for what, cost, at_first in (
            ("event", size.event_micros, first.event_micros),
            ("check", size.check_micros, first.check_micros),
        ):
            is_limit = f"µs at {first.words}"
            figures.append(
                Figure(
                    f"cost of a{'n' * (what == 'event')} {what} at {size.words}",
                    cost,
                    "µs CPU",
                    at_first,
                    is_limit,
                    FLAT,
                    "most",
                )
            )
    large = sizes[1]
    audit = [
        Figure(
            f"audit of {large.words}", large.audit_seconds, "s", AUDIT_SECONDS_MAX, "s, the most allowed", 1.0, "most"
        )
    ]
    # At the first size the audit is all overhead: from the second on it is proportional or it is not.
    audit += [
        Figure(
            f"audit of a transfer at {size.words}",
            size.audit_micros,
            "µs",
            large.audit_micros,
            f"µs at {large.words}",
            FLAT,
            "most",
        )
        for size in sizes[2:]
    ]
    return [*figures, *audit]


async def _grow(engine: Engine, size: int) -> None:
    there = await engine.owner.fetchval("SELECT count(*) FROM ledger.usage_events")
    place = there // ACCOUNTS
    while place * ACCOUNTS < size - EVENTS:
        calls = min(CALLS_PER_FILL, (size - EVENTS) // ACCOUNTS - place) or 1
        await engine.owner.execute(FILL, calls, 1_000_000 + place, engine.context.host.clock.now(), timeout=300)
        place += calls
    await _settle_down(engine)


async def _more_accounts(stage: Stage, engine: Engine) -> None:
    names = account_ids(stage.many(MANY_ACCOUNTS))[ACCOUNTS:]
    for start in range(0, len(names), 1_000):
        await open_accounts(engine.owner, names[start : start + 1_000], engine.context.host.clock.now())
    await _settle_down(engine)


async def _settle_down(engine: Engine) -> None:
    await engine.owner.execute("TRUNCATE ledger.news")
    await engine.owner.execute("VACUUM (ANALYZE) ledger.accounts", timeout=600)
    await engine.owner.execute("VACUUM (ANALYZE) ledger.holds, ledger.usage_events, ledger.transfers", timeout=600)


async def _costs(stage: Stage, engine: Engine, gate: Checks, words: str) -> _Size:
    """The medians of some runs; a first one of each warms plans and pages."""
    everyone = account_ids(ACCOUNTS)
    rounds = stage.rounds(ROUNDS)
    label = "".join(letter if letter.isalnum() else "_" for letter in words)
    events: list[float] = []
    asked: list[float] = []
    for turn in range(rounds + 1):
        posted = await post(engine, f"grown-{label}-{turn}", everyone, stage.many(EVENTS))
        events.append(posted.cpu["us"] + posted.cpu["PostgreSQL"])
        asked.append(await gate.micros(f"asked-{label}-{turn}", everyone, stage.many(CHECKS)))
    transfers = await engine.owner.fetchval("SELECT count(*) FROM ledger.transfers")
    began = time.perf_counter()
    report = await audit_books(engine.url)
    seconds = time.perf_counter() - began
    assert not report.findings, report.findings
    return _Size(words, transfers, median(events[1:]), median(asked[1:]), seconds)
