"""Contract §2 and §3 for the rest of the API: what can't be answered now is told at once, and safe to try again."""

import time

import httpx
from yarl import URL

from shared.http_app import READY_SECONDS
from shared.settings import Settings
from tests.conftest import HostServices
from tests.faults.proxy import FINE, FaultProxy, Weather
from tests.services.ledger_api.conftest import error_of
from tests.transports.cutting_proxy import CuttingProxy
from tests.usage import sms_sent


def port_of(url: str) -> int:
    port = URL(url).port
    assert port is not None
    return port


async def test_books_out_of_reach_are_told_as_such(host_services: HostServices, settings: Settings) -> None:
    """«Books out of reach → 503 `billing_unavailable` with `Retry-After`», never a 500."""
    async with CuttingProxy(port_of(settings.postgres_url)) as proxy:
        hosted = await host_services(postgres_url=proxy.in_front_of(settings.postgres_url))
        headers = {"Authorization": f"Bearer {settings.platform_key}", "Ringfence-Account": "acme"}
        async with httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30) as platform:
            assert (await platform.post("/v1/accounts", json={"id": "acme", "name": "x"})).status_code == 201
            await proxy.__aexit__(None, None, None)
            for method, path, body in (
                ("GET", "/v1/accounts/acme", None),
                ("POST", "/v1/accounts/acme/adjustments", {"amount_cents": 1, "description": "x"}),
                ("GET", "/v1/billing/transactions", None),
                ("GET", "/v1/prices", None),
                ("GET", "/v1/numbers", None),
            ):
                answer = await platform.request(method, path, json=body)
                assert error_of(answer) == (503, "billing_unavailable"), path
                assert answer.headers["Retry-After"] == "1"


async def test_books_that_hang_make_no_probe_hang(host_services: HostServices, settings: Settings) -> None:
    """`GET /readyz`: a network that swallows everything is told as not ready, not waited for."""
    async with FaultProxy(port_of(settings.postgres_url)) as proxy:
        hosted = await host_services(postgres_url=str(URL(settings.postgres_url).with_port(proxy.port)))
        async with httpx.AsyncClient(base_url=hosted.url, timeout=30) as anyone:
            assert (await anyone.get("/readyz")).status_code == 200
            proxy.turn(Weather(stalled=True))
            begun = time.monotonic()
            answer = await anyone.get("/readyz")
            waited_seconds = time.monotonic() - begun
            proxy.turn(FINE)
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert waited_seconds < 2 * READY_SECONDS


async def test_fm31_usage_is_not_taken_without_the_broker(host_services: HostServices, settings: Settings) -> None:
    """«answered after the broker confirmed»: without it 503, and nothing is said to be accepted."""
    async with CuttingProxy(port_of(settings.amqp_url)) as proxy:
        hosted = await host_services(amqp_url=proxy.in_front_of(settings.amqp_url))
        headers = {"Authorization": f"Bearer {settings.platform_key}"}
        async with httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30) as platform:
            assert (await platform.post("/v1/usage", json=sms_sent("acme", "m1"))).status_code == 202
            await proxy.__aexit__(None, None, None)
            refused = await platform.post("/v1/usage", json=sms_sent("acme", "m2"))
            assert error_of(refused) == (503, "billing_unavailable")
            assert refused.headers["Retry-After"] == "1"
            assert "accepted" not in refused.json()
