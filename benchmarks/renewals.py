"""Renewals: 10,000 subscriptions that fall due in the same minute, and the gate meanwhile.

The gate is asked at a fixed pace, before and while they renew; beside that an account that renews is checked now and
then, which has to wait for the commit its account is part of.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from time import perf_counter

import asyncpg

from benchmarks.figures import Figure, percentile
from benchmarks.limits import Limits
from benchmarks.pace import check_at_a_pace
from benchmarks.stage import Child, Stage, services
from benchmarks.system import ACCOUNTS
from benchmarks.traffic import account_ids, open_accounts
from services.subscriptions.domain.rhythm import Rhythm
from shared.clock import SystemClock
from shared.postgres.audit import audit_books
from tests.services.subscriptions.many import all_renewed_once, findings, make_subscriptions

SUBSCRIPTIONS = 10_000
QUIET_SECONDS = 10
CHECKS_PER_SECOND = 200
RENEWING_CHECKS_PER_SECOND = 20
SLICE_SECONDS = 1.0
SECONDS_MAX = 180.0

RENEWED = "SELECT count(*) FROM subscriptions.periods WHERE number = 2"
IS_TOLD = "SELECT NOT EXISTS (SELECT FROM ledger.outbox) AND NOT EXISTS (SELECT FROM ledger.news)"


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    count = 200 if stage.short else SUBSCRIPTIONS
    url = await stage.books()
    now = SystemClock().now()
    # Started a day and a minute ago: all of them are due as soon as somebody looks.
    await make_subscriptions(
        url, count, started_at=now - timedelta(days=1, minutes=1), rhythm=Rhythm("daily", 1, "UTC")
    )
    async with AsyncExitStack() as stack:
        owner = await asyncpg.connect(url)
        stack.push_async_callback(owner.close)
        await open_accounts(owner, account_ids(ACCOUNTS), now)
        await owner.execute("VACUUM ANALYZE")
        await stack.enter_async_context(services(stage, "rest", url, "ledger,payments,scheduler"))
        gate = await stack.enter_async_context(services(stage, "gate", url, "gatekeeper"))
        await check_at_a_pace(gate.url, CHECKS_PER_SECOND, 2, "warm")
        quiet_ms = await check_at_a_pace(gate.url, CHECKS_PER_SECOND, QUIET_SECONDS, "quiet")
        await stack.enter_async_context(services(stage, "renewals", url, "subscriptions"))
        seconds, busy_ms, waiting_ms = await _while_renewing(owner, gate, count)
    assert await findings(url) == all_renewed_once(count)
    report = await audit_books(url)
    assert not report.findings, report.findings
    return _figures(count, seconds, quiet_ms, busy_ms, waiting_ms)


async def _while_renewing(owner: asyncpg.Connection, gate: Child, count: int) -> tuple[float, list[float], list[float]]:
    """(seconds from the first renewal to the last, latencies of all checks, of checks of renewing accounts), in ms;
    checks go on until the last news of it is published.
    """
    renewal = asyncio.create_task(_renewal(owner, count))
    busy = asyncio.create_task(
        _until(renewal, lambda turn: check_at_a_pace(gate.url, CHECKS_PER_SECOND, SLICE_SECONDS, f"busy-{turn}"))
    )
    waiting = asyncio.create_task(
        _until(
            renewal,
            lambda turn: check_at_a_pace(
                gate.url,
                RENEWING_CHECKS_PER_SECOND,
                SLICE_SECONDS,
                f"renewing-{turn}",
                account_of=_renewing(turn, count),
            ),
        )
    )
    return await renewal, await busy, await waiting


def _renewing(turn: int, count: int) -> Callable[[int], str]:
    return lambda place: f"client-{(turn * 4_001 + place * 397) % count:05d}"


async def _until(over: "asyncio.Task[float]", check: Callable[[int], Awaitable[list[float]]]) -> list[float]:
    latencies_ms: list[float] = []
    turn = 0
    while not over.done():
        latencies_ms += await check(turn)
        turn += 1
    return latencies_ms


async def _renewal(owner: asyncpg.Connection, count: int) -> float:
    """Seconds until all are renewed; returns when everything is told."""
    give_up = perf_counter() + SECONDS_MAX
    began = ended = 0.0
    while not (ended and await owner.fetchval(IS_TOLD)):
        renewed = await owner.fetchval(RENEWED)
        if renewed and not began:
            began = perf_counter()
        if renewed == count and not ended:
            ended = perf_counter()
        assert perf_counter() < give_up, f"{renewed} renewed"
        await asyncio.sleep(0.1)
    return ended - began


def _figures(
    count: int, seconds: float, quiet_ms: list[float], busy_ms: list[float], waiting_ms: list[float]
) -> list[Figure]:
    meanwhile = [
        Figure(
            f"gate, p{percent} while {count:,} subscriptions renew",
            percentile(busy_ms, percent),
            "ms",
            percentile(quiet_ms, percent),
            "ms, quiet",
            target=2,
            bound="most",
        )
        for percent in (50, 99)
    ]
    return [
        Figure(
            f"renewal of {count:,} subscriptions",
            seconds,
            "s",
            60,
            "s, the most allowed",
            target=1,
            bound="most",
        ),
        *meanwhile,
        Figure(
            "gate, p99 of accounts that renew",
            percentile(waiting_ms, 99),
            "ms",
            50,
            "ms, the most allowed",
            target=1,
            bound="most",
        ),
    ]
