"""Renewals in bulk: once each, whatever comes twice, late, side by side, or is killed in the middle."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from time import perf_counter

import pytest

from services.subscriptions.clockwork import advance_due_subscriptions
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.service import SUBSCRIPTIONS
from services.subscriptions.settings import SubscriptionSettings
from shared.clock import SystemClock, rfc3339
from shared.contracts.ticks_v1 import tick_type
from shared.messaging.cloudevents import cloud_event
from shared.messaging.messages import Message
from shared.messaging.topology import TICKS
from shared.postgres.audit import audit_books
from shared.settings import Settings
from tests.conftest import HostServices
from tests.services.subscriptions.many import (
    all_renewed_once,
    findings,
    make_subscriptions,
    move_clock,
    renewed,
)

ROOT = Path(__file__).parents[3]
A_MONTH_LATER = timedelta(days=32)


async def reach(database_url: str, count: int, seconds: float = 60) -> None:
    for _ in range(int(seconds / 0.02)):
        if await renewed(database_url) >= count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"only {await renewed(database_url)} renewed")


async def start_process(settings: Settings) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.services.subscriptions.renewing_process",
        cwd=ROOT,
        env={
            **os.environ,
            "RINGFENCE_POSTGRES_URL": settings.postgres_url,
            "RINGFENCE_AMQP_URL": settings.amqp_url,
            "RINGFENCE_TEST_CLOCK": "1",
            "RINGFENCE_RENEWAL_BATCH_SIZE": "50",
            "RINGFENCE_RENEWAL_PAUSE_RATIO": "0",
            "RINGFENCE_RENEWALS_PER_SECOND": "1000000",
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_killed_in_a_renewal_run_it_is_finished_after_a_restart_and_nothing_is_done_twice(
    settings: Settings, host_services: HostServices
) -> None:
    """Killed with SIGKILL in a renewal run → finished after restart, nothing twice."""
    count = 1_000
    await make_subscriptions(settings.postgres_url, count, started_at=SystemClock().now())
    await move_clock(settings.postgres_url, A_MONTH_LATER)
    for _ in range(4):
        before = await renewed(settings.postgres_url)
        process = await start_process(settings)
        await reach(settings.postgres_url, before + 1)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert await renewed(settings.postgres_url) < count, "it was killed too late to show anything"
    await host_services(SUBSCRIPTIONS)
    await reach(settings.postgres_url, count)
    assert await findings(settings.postgres_url) == all_renewed_once(count)
    assert (await audit_books(settings.postgres_url)).findings == ()


async def test_ticks_that_come_twice_and_workers_side_by_side_renew_once(
    settings: Settings, host_services: HostServices
) -> None:
    """ "twice or late changes nothing" """
    count = 300
    await make_subscriptions(settings.postgres_url, count, started_at=SystemClock().now())
    first = await host_services(SUBSCRIPTIONS)
    await host_services(SUBSCRIPTIONS)
    await move_clock(settings.postgres_url, A_MONTH_LATER)
    for number in range(10):
        now = first.host.clock.now()
        name = tick_type("renewals" if number % 2 else "due_dates")
        body = cloud_event(id=f"tick-{number}", type=name, time=now, data={"due_at": rfc3339(now)})
        await first.host.broker.publish(Message(TICKS, name, body))
    await reach(settings.postgres_url, count)
    await asyncio.sleep(0.5)
    assert await findings(settings.postgres_url) == all_renewed_once(count)


async def test_a_tick_alone_renews(
    settings: Settings, host_services: HostServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queues `subscriptions.renew_periods` and `subscriptions.watch_due_dates` do the work, not only the job."""
    monkeypatch.setenv("RINGFENCE_SUBSCRIPTIONS_WATCH_SECONDS", "3600")
    await make_subscriptions(settings.postgres_url, 5, started_at=SystemClock().now())
    hosted = await host_services(SUBSCRIPTIONS)
    await move_clock(settings.postgres_url, A_MONTH_LATER)
    await asyncio.sleep(0.5)
    assert await renewed(settings.postgres_url) == 0
    now = hosted.host.clock.now()
    body = cloud_event(id="tick-1", type=tick_type("renewals"), time=now, data={"due_at": rfc3339(now)})
    await hosted.host.broker.publish(Message(TICKS, tick_type("renewals"), body))
    await reach(settings.postgres_url, 5)
    assert await findings(settings.postgres_url) == all_renewed_once(5)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_renewals_in_the_same_minute_are_done_in_one_pass(
    settings: Settings, host_services: HostServices, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """10,000 subscriptions renewing in the same minute: no request twice, no client without its period."""
    monkeypatch.setenv("RINGFENCE_RENEWAL_PAUSE_RATIO", "0")
    monkeypatch.setenv("RINGFENCE_RENEWAL_BATCH_SIZE", "100")
    monkeypatch.setenv("RINGFENCE_RENEWALS_PER_SECOND", "1000000")
    await make_subscriptions(settings.postgres_url, count, started_at=SystemClock().now())
    await move_clock(settings.postgres_url, A_MONTH_LATER)
    hosted = await host_services()
    async with hosted.host.open_pool("subscriptions") as pool:
        began = perf_counter()
        await advance_due_subscriptions(SubscriptionsContext(hosted.host, pool, SubscriptionSettings()))
        print(f"{count} renewals in {perf_counter() - began:.1f} s")
        await reach(settings.postgres_url, count)
    assert await findings(settings.postgres_url) == all_renewed_once(count)
