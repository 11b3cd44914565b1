"""The stand-in as its own process: killed, it forgets nothing; no live key, no control plane unless asked for."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.stripe_standin import LiveKeyRefused, Settings, running_standin
from tests.standin.clients import stripe_client
from tests.standin.receiver import Receiver
from tests.standin.test_idempotency import CREATE, pay
from tests.standin.waiting import eventually

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def standin_process(folder: Path, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Any]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.local.stripe_standin", "--folder", str(folder), *options),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        assert process.stdout
        facts = json.loads(await process.stdout.readline())
        await until_healthy(facts["api_base"])
        yield process, facts
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


async def until_healthy(api_base: str) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(20):
        while True:
            try:
                if (await http.get(f"{api_base}/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_a_killed_stand_in_forgets_nothing(tmp_path: Path, receiver: Receiver) -> None:
    receiver.statuses = [500] * 1000
    async with standin_process(tmp_path, "--sim", "--webhook-url", receiver.url) as (process, facts):
        async with stripe_client(facts["api_base"], facts["secret_key"]) as client:
            paid = [(await pay(client, f"k{number}")).id for number in range(10)]
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    receiver.statuses.clear()
    receiver.received.clear()
    async with running_standin(tmp_path, webhook_url=receiver.url) as again:
        async with stripe_client(again.api_base, again.secret_key) as client:
            assert [(await pay(client, f"k{number}")).id for number in range(10)] == paid
            listed = await client.v1.payment_intents.list_async(params={"limit": 100})
            assert [intent.id for intent in listed.data] == paid[::-1]
        await again.sim.advance(60)
        await again.sim.idle()
    assert {one.event["data"]["object"]["id"] for one in receiver.of("payment_intent.succeeded")} == set(paid)


async def fault_hit(control: httpx.AsyncClient) -> bool:
    return bool((await control.get("/_sim/state")).json()["faults"][0]["hits"])


async def test_killed_in_the_midst_of_a_charge_it_did_all_or_nothing(tmp_path: Path) -> None:
    async with (
        standin_process(tmp_path, "--sim") as (process, facts),
        httpx.AsyncClient(base_url=facts["api_base"]) as control,
        stripe_client(facts["api_base"], facts["secret_key"]) as client,
    ):
        rule = {"path": CREATE, "when": "during", "action": "latency", "seconds": 5}
        assert (await control.post("/_sim/faults", json=rule)).status_code == 200
        paying = asyncio.create_task(pay(client))
        await eventually(lambda: fault_hit(control))
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.gather(paying, return_exceptions=True)
        await process.wait()
    async with running_standin(tmp_path) as again, stripe_client(again.api_base, again.secret_key) as client:
        assert await again.sim.objects("charge") == []
        assert (await pay(client)).status == "succeeded"
        assert len(await again.sim.objects("charge")) == 1


async def test_its_clock_goes_on_where_it_was(tmp_path: Path) -> None:
    async with running_standin(tmp_path) as first:
        moved = await first.sim.advance(10 * 24 * 3600)
    async with running_standin(tmp_path) as second:
        assert (await second.sim.state())["now"] >= moved


async def test_without_being_asked_it_has_no_control_plane(tmp_path: Path) -> None:
    async with standin_process(tmp_path) as (_, facts), httpx.AsyncClient(base_url=facts["api_base"]) as http:
        for method, path in (("GET", "state"), ("POST", "reset"), ("POST", "faults")):
            assert (await http.request(method, f"/_sim/{path}", json={})).status_code == 404


@pytest.mark.parametrize(("secret", "publishable"), [("sk_live_x", "pk_test_x"), ("sk_test_x", "pk_live_x")])
def test_a_live_key_is_refused_at_the_start(tmp_path: Path, secret: str, publishable: str) -> None:
    with pytest.raises(LiveKeyRefused):
        Settings(folder=tmp_path, public_base="http://x", secret_key=secret, publishable_key=publishable)


async def test_a_live_key_is_refused_in_a_request(tmp_path: Path) -> None:
    async with running_standin(tmp_path) as standin, httpx.AsyncClient(base_url=standin.api_base) as http:
        for kind in ("sk_live_", "rk_live_", "pk_live_"):
            answer = await http.get("/v1/events", headers={"authorization": f"Bearer {kind}0123456789"})
            assert answer.status_code == 401
            assert "0123456789" not in answer.text


async def test_a_restricted_key_may_do_what_a_billing_service_needs(tmp_path: Path) -> None:
    async with running_standin(tmp_path) as standin, httpx.AsyncClient(base_url=standin.api_base) as http:
        headers = {"authorization": f"Bearer {standin.restricted_key}"}
        assert (await http.post("/v1/customers", headers=headers)).status_code == 200
        assert (await http.get("/v1/disputes", headers=headers)).status_code == 200
        assert (await http.get("/v1/webhook_endpoints", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"amount=\xff", "application/x-www-form-urlencoded"),
        (b"amount[a]=1&amount=2", "application/x-www-form-urlencoded"),
        (b"amount" + b"[a]" * 500 + b"=1", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(2000)), "application/x-www-form-urlencoded"),
        (b"x" * (1 << 20) + b"x", "application/x-www-form-urlencoded"),
        (b"amount=500&currency=usd&metadata=5", "application/x-www-form-urlencoded"),
        (b"amount=" + b"9" * 5000 + b"&currency=usd", "application/x-www-form-urlencoded"),
        ("amount=٥٠٠&currency=usd".encode(), "application/x-www-form-urlencoded"),
    ],
)
async def test_a_hostile_body_is_refused_never_a_500(tmp_path: Path, body: bytes, kind: str) -> None:
    async with running_standin(tmp_path) as standin, httpx.AsyncClient(base_url=standin.api_base) as http:
        headers = {"authorization": f"Bearer {standin.secret_key}", "content-type": kind}
        answer = await http.post("/v1/payment_intents", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]
