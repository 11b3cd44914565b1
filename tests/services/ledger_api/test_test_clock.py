"""Contract §0, Time: with RINGFENCE_TEST_CLOCK=1 the clock of every service moves forward."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from shared.runtime import Hosted, RefusedToStart
from tests.conftest import HostServices
from tests.services.ledger_api.conftest import error_of, paths_of, until


async def test_the_clock_moves_forward(platform: httpx.AsyncClient, ringfence: Hosted) -> None:
    """«`POST /v1/test/clock` {advance_seconds | now} (platform key) moves the clock of every service forward»."""
    answer = await platform.post("/v1/test/clock", json={"advance_seconds": 3_600})
    assert answer.status_code == 200
    moved = datetime.fromisoformat(answer.json()["now"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < moved < timedelta(minutes=61)
    assert ringfence.host.clock.now() - datetime.now(UTC) > timedelta(minutes=59)
    goal = datetime.now(UTC) + timedelta(days=30)
    for now in (goal.isoformat(), (goal + timedelta(hours=1)).timestamp()):
        assert (await platform.post("/v1/test/clock", json={"now": now})).status_code == 200
    opened = (await platform.post("/v1/accounts", json={"name": "Acme"})).json()
    assert datetime.fromisoformat(opened["created_at"]) >= goal + timedelta(hours=1)


async def test_another_process_follows(platform: httpx.AsyncClient, host_services: HostServices) -> None:
    """«of every service»: the offset lives in the books."""
    other = await host_services()
    await platform.post("/v1/test/clock", json={"advance_seconds": 86_400})

    async def followed() -> bool:
        return other.host.clock.now() - datetime.now(UTC) > timedelta(hours=23)

    await until(followed)


async def test_the_clock_never_moves_backwards(platform: httpx.AsyncClient, ringfence: Hosted) -> None:
    await platform.post("/v1/test/clock", json={"advance_seconds": 86_400})
    before = ringfence.host.clock.offset
    for body, path in (
        ({"advance_seconds": -1}, "advance_seconds"),
        ({"now": datetime.now(UTC).isoformat()}, "now"),
        ({"now": "2200-01-01T00:00:00Z"}, "now"),
        ({"now": "9999-12-31T23:59:59Z"}, "now"),
        ({"now": "2030-01-01T00:00:00"}, "now"),
        ({"advance_seconds": 10**18}, "advance_seconds"),
        ({"advance_seconds": 200 * 365 * 86_400}, "advance_seconds"),
        ({"advance_seconds": True}, "advance_seconds"),
        ({}, ""),
        ({"advance_seconds": 1, "now": "2150-01-01T00:00:00Z"}, ""),
    ):
        assert paths_of(await platform.post("/v1/test/clock", json=body)) == [path], body
    assert ringfence.host.clock.offset == before


async def test_without_the_setting_there_is_no_test_clock(host_services: HostServices) -> None:
    hosted = await host_services(test_clock=False)
    headers = {"Authorization": f"Bearer {hosted.host.settings.platform_key}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers) as platform:
        answer = await platform.post("/v1/test/clock", json={"advance_seconds": 1})
    assert error_of(answer) == (404, "not_found")


async def test_the_test_clock_is_refused_where_money_is_real(host_services: HostServices) -> None:
    """«(refused in production and with a live key)»."""
    for changes in ({"environment": "production"}, {"stripe_api_key": "sk_live_x"}, {"stripe_api_key": "rk_live_x"}):
        with pytest.raises(RefusedToStart):
            await host_services(**changes)
