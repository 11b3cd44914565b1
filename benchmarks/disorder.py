"""Usage as it comes after trouble: one in ten told twice, one in twenty told weeks late, all of it shuffled."""

import random
from datetime import timedelta
from typing import Any

from benchmarks.engine import ACCOUNTS, Engine, Posted, beside_pgbench, charge, check, engine, settle_down
from benchmarks.figures import Figure
from benchmarks.limits import Limits
from benchmarks.stage import Stage
from benchmarks.traffic import account_ids, call_ended, hold_calls

CALLS = 20_000
ROUNDS = 3
TWICE_ONE_IN = 10
LATE_ONE_IN = 20
LATE = timedelta(days=40)
SEED = 7


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """Right after pgbench, three times; every call is in the books once."""
    pgbench = await limits.pgbench()
    calls, rounds = stage.many(CALLS, whole=TWICE_ONE_IN * LATE_ONE_IN), stage.rounds(ROUNDS)
    runs: list[tuple[Posted, float]] = []
    async with engine(stage) as ready:
        await charge(ready, await _told(ready, "warm", calls))
        for turn in range(rounds):
            await settle_down(ready)
            limit = await pgbench.simple_update(stage.seconds(5))
            runs.append((await charge(ready, await _told(ready, str(turn), calls)), limit))
        late = calls // LATE_ONE_IN
        await check(ready, "call", (rounds + 1) * calls, settled=(rounds + 1) * (calls - late))
    return [beside_pgbench("engine, 10 % told twice, 5 % late", runs, target=None)]


async def _told(engine: Engine, label: str, calls: int) -> list[dict[str, Any]]:
    """What is told of so many calls. The late ones have no hold any more."""
    now = engine.context.host.clock.now()
    everyone = account_ids(ACCOUNTS)
    told: list[dict[str, Any]] = []
    held: list[tuple[str, str]] = []
    for place in range(calls):
        account_id, call_id = everyone[place % ACCOUNTS], f"{label}-{place}"
        is_late = place % LATE_ONE_IN == 0
        event = call_ended(account_id, call_id, now - LATE if is_late else now)
        told += [event] * (2 if place % TWICE_ONE_IN == 1 else 1)
        if not is_late:
            held.append((account_id, call_id))
    await hold_calls(engine.owner, held, now)
    random.Random(SEED).shuffle(told)
    return told
