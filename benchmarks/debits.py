"""One SMS debit with its event id, nothing held: in bulk, and one alone from its bytes to its own commit."""

import time
from collections.abc import Sequence
from typing import Any

import orjson

from benchmarks.cpu import Micros, mean_micros
from benchmarks.engine import ACCOUNTS, Engine, Posted, beside_pgbench, charge, check, engine, settle_down
from benchmarks.figures import Figure, Pair, Spread, median_figure
from benchmarks.limits import Limits
from benchmarks.stage import Stage
from benchmarks.traffic import account_ids, sms_sent
from shared.messaging.messages import Incoming

DEBITS = 24_000
ALONE = 2_000
ROUNDS = 3


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """Both right after their limits, three times."""
    pgbench = await limits.pgbench()
    debits, alone, rounds = stage.many(DEBITS), stage.many(ALONE), stage.rounds(ROUNDS)
    everyone = account_ids(ACCOUNTS)
    bulk: list[tuple[Posted, float]] = []
    lone: list[Pair] = []
    spreads: list[Spread] = []
    spent: list[Micros] = []
    async with engine(stage) as ready:
        await charge(ready, messages_sent(ready, "warm", everyone, alone))
        for turn in range(rounds):
            await settle_down(ready)
            limit = await pgbench.simple_update(stage.seconds(5))
            bulk.append((await charge(ready, messages_sent(ready, f"bulk-{turn}", everyone, debits)), limit))
            await settle_down(ready)
            least_ms = await pgbench.bare_update_ms(stage.seconds(3))
            spread, cpu = await _one_by_one(ready, messages_sent(ready, f"alone-{turn}", everyone, alone))
            lone.append(Pair(spread.p50, least_ms))
            spreads.append(spread)
            spent.append(cpu)
        await check(ready, "sms", alone + rounds * (debits + alone), settled=0)
    return [
        beside_pgbench("SMS debits, 1,000 accounts", bulk, target=None),
        median_figure(
            "SMS debit alone, p50",
            lone,
            unit="ms",
            limit_is="ms, bare UPDATE … COMMIT",
            target=None,
            bound="most",
            spread=Spread.middle(spreads),
            cpu=mean_micros(spent),
        ),
    ]


def messages_sent(engine: Engine, label: str, of: Sequence[str], count: int) -> list[dict[str, Any]]:
    """So many messages, spread over these accounts in turn."""
    now = engine.context.host.clock.now()
    return [sms_sent(of[place % len(of)], f"{label}-{place}", now) for place in range(count)]


async def _one_by_one(engine: Engine, events: Sequence[dict[str, Any]]) -> tuple[Spread, Micros]:
    """Each in a message and a commit of its own."""
    batches = [[Incoming(body=orjson.dumps(event), exchange="ringfence.usage")] for event in events]
    took_ms: list[float] = []
    engine.meter.begin()
    for batch in batches:
        began = time.perf_counter()
        outcomes = await engine.charge(batch)
        took_ms.append((time.perf_counter() - began) * 1000)
        assert not outcomes, f"not posted: {str(outcomes)[:500]}"
    return Spread.of(took_ms), engine.meter.micros(len(events))
