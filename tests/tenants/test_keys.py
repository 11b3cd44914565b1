"""Keys: looked up by hash, ended in every replica, and in no log (contract §0, Auth)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.servers import Servers
from shared.access import Access, Principal, Tenant, secret_hash
from shared.http_errors import ApiError
from shared.runtime import Hosted
from shared.settings import Settings
from tests.conftest import PLATFORM_KEY, HostServices
from tests.services.ledger.steps import until

KEY = "rf_0123456789abcdef0123456789abcdef"
NEARLY = (KEY[:-1] + "e", KEY[:-1], KEY + "0", KEY.upper(), "rf_", "x", "\u00ff" * 40, KEY * 100)


async def test_a_wrong_key_costs_what_an_unknown_one_costs() -> None:
    """No timing oracle: one look-up of a SHA-256 each, however near the key is, and none is remembered as wrong."""
    asked: list[bytes] = []

    async def find_key(digest: bytes) -> Principal | None:
        asked.append(digest)
        return Principal("account", "acme", "key_1") if digest == secret_hash(KEY) else None

    async def find_tenant(_: str) -> Tenant | None:
        return None

    access = Access(find_key, find_tenant, cache_seconds=60)
    for nearly in NEARLY:
        for _ in range(2):
            asked.clear()
            with pytest.raises(ApiError) as refused:
                await access.principal(f"Bearer {nearly}")
            assert (refused.value.status, asked) == (401, [secret_hash(nearly)])
    assert (await access.principal(f"Bearer {KEY}")).account_id == "acme"
    assert all(len(digest) == 32 for digest in asked)


async def test_a_revoked_key_ends_in_every_replica(host_services: HostServices) -> None:
    """«revocable (effective within 10 s)»: in each of three, also where it was used a moment before."""
    assert Settings.model_fields["key_cache_seconds"].default < 10
    replicas = [await host_services(key_cache_seconds=1) for _ in range(3)]
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {PLATFORM_KEY}"}, timeout=30) as platform:
        opened = await platform.post(f"{replicas[0].url}/v1/accounts", json={"id": "acme", "name": "Acme"})
        own = {"Authorization": f"Bearer {opened.json()['api_key']}"}

        async def statuses() -> set[int]:
            asked = [platform.get(f"{replica.url}/v1/wallet/balance", headers=own) for replica in replicas]
            return {answer.status_code for answer in await asyncio.gather(*asked)}

        assert await statuses() == {200}
        (key,) = (await platform.get(f"{replicas[0].url}/v1/accounts/acme/keys")).json()["data"]
        assert (await platform.delete(f"{replicas[1].url}/v1/accounts/acme/keys/{key['id']}")).status_code == 204

        async def ended() -> bool:
            return await statuses() == {401}

        await until(ended, seconds=10)


async def test_no_secret_is_in_any_log(
    ringfence: Hosted,
    platform: httpx.AsyncClient,
    servers: Servers,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What we print and what the servers write is searched as a whole: for keys, links, cookies and passwords."""
    secrets = {"the platform's key": PLATFORM_KEY}
    opened = (await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})).json()
    secrets["an account's key"] = opened["api_key"]
    secrets["a second key"] = (await platform.post("/v1/accounts/acme/keys", json={})).json()["api_key"]
    link = (await platform.post("/v1/accounts/acme/portal-sessions")).json()["url"]
    secrets["a sign-in link"] = link.rpartition("/")[2]
    async with httpx.AsyncClient(base_url=ringfence.url, timeout=30) as browser:
        await browser.get(link)
        secrets["a cookie"] = next(iter(browser.cookies.values()))
        await browser.get("/billing")
        await browser.get("/v1/billing")
    async with httpx.AsyncClient(base_url=ringfence.url, timeout=30) as own:
        for key in (opened["api_key"], secrets["a second key"], "rf_a_wrong_one_that_somebody_mistyped"):
            await _use(own, key)
    secrets["a wrong key"] = "rf_a_wrong_one_that_somebody_mistyped"
    for user, url in servers.amqp_urls.items():
        secrets[f"the broker's password of {user}"] = url.partition("://")[2].partition("@")[0].partition(":")[2]
    printed = capfd.readouterr()
    texts = {"what was printed": printed.out + printed.err}
    texts |= {path.name: path.read_text(errors="replace") for path in _logs(servers.folder)}
    assert any(name.endswith(".log") for name in texts)
    assert [(name, what) for name, text in texts.items() for what, secret in secrets.items() if secret in text] == []


async def _use(http: httpx.AsyncClient, key: str) -> None:
    """Rightly, wrongly, and where it makes the server write something."""
    bodies: list[Any] = [{"amount_cents": 1}, {"idempotency_key": "\u00e9"}, []]
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {key}", "X-Request-Id": "x y"}):
        for body in bodies:
            await http.post("/v1/billing/top-up", json=body, headers=headers)
        await http.get("/v1/billing/transactions?limit=999", headers=headers)
        await http.post("/v1/stripe/webhook", content=b"{}", headers={**headers, "Stripe-Signature": f"t=1,v1={key}"})
        await http.post("/v1/checks/call", json={"key": key}, headers=headers)
    await http.get("/v1/wallet", auth=("anybody", key))
    await http.get(f"/signin/{key}")


def _logs(folder: Path) -> Iterator[Path]:
    yield from folder.rglob("*.log")


async def test_a_key_that_asks_too_fast_slows_nobody_else(host_services: HostServices) -> None:
    """«too fast → 429 `rate_limited` + `Retry-After`», per key; who brings no key shares a bucket with nobody's key."""
    hosted = await host_services(rate_limit_per_second=1, rate_limit_burst=3)
    async with httpx.AsyncClient(base_url=hosted.url, timeout=30) as http:
        platform = {"Authorization": f"Bearer {PLATFORM_KEY}"}
        keys = [
            (await http.post("/v1/accounts", json={"name": name}, headers=platform)).json()["api_key"]
            for name in ("fast", "slow")
        ]
        fast, slow = ({"Authorization": f"Bearer {key}"} for key in keys)
        answers = [await http.get("/v1/wallet/balance", headers=fast) for _ in range(12)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in limited)
        assert (await http.get("/v1/wallet/balance", headers=slow)).status_code == 200
        nobodys = [(await http.get("/v1/wallet/balance")).status_code for _ in range(12)]
        assert set(nobodys) == {401, 429}
        assert (await http.get("/v1/accounts", headers=platform)).status_code == 200


async def test_streams_are_limited(host_services: HostServices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_STREAMS_PER_ACCOUNT_MAX", "2")
    hosted = await host_services()
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers, timeout=30) as platform:
        opened = (await platform.post("/v1/accounts", json={"name": "Acme"})).json()
        own = {"Authorization": f"Bearer {opened['api_key']}"}
        async with (
            platform.stream("GET", "/v1/events", headers=own) as first,
            platform.stream("GET", "/v1/events", headers=own) as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            readers = [stream.aiter_lines() for stream in (first, second)]  # kept: one that is dropped hangs up
            for lines in readers:
                await anext(lines)
            async with platform.stream("GET", "/v1/events", headers=own) as third:
                assert third.status_code == 429
                assert int(third.headers["Retry-After"]) >= 1
