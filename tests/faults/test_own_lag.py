"""The harness takes its own standstills for its own, and for no more than they were."""

import asyncio
import time

from tests.faults.own_lag import watched

STANDSTILL_S = 0.3


async def test_a_standstill_of_ours_counts_only_where_it_was() -> None:
    async with watched() as lag:
        began = time.monotonic()
        await asyncio.sleep(0.05)
        before = time.monotonic()
        time.sleep(STANDSTILL_S)  # noqa: ASYNC251 -- the standstill
        after = time.monotonic()
        await asyncio.sleep(0.05)
        ended = time.monotonic()
    assert STANDSTILL_S - 0.05 < lag.within(began, ended) < STANDSTILL_S + 0.2
    assert lag.within(before, after) < after - before + 0.02
    assert lag.within(before + STANDSTILL_S / 2, after) < STANDSTILL_S
    assert lag.within(began, began) == 0
    assert lag.worst_s > STANDSTILL_S - 0.05
