"""Auto-reload: from the usage that takes the balance below its minimum to money on the books and the news of it.

The card is charged at the stand-in, which runs in this process: its own answer to the same charge is the limit.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from benchmarks.cpu import Micros
from benchmarks.figures import Figure, Spread
from benchmarks.limits import Limits
from benchmarks.pace import pace
from benchmarks.stage import PLATFORM_KEY, Stage
from benchmarks.system import System, system
from benchmarks.traffic import sms_sent
from deploy.local.stripe_standin import RunningStandin, running_standin
from shared.clock import SystemClock
from shared.messaging.messages import Incoming, Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import EVENTS, USAGE

CUSTOMERS = 200
WARM_UP = 20
PER_SECOND = 10
MINIMUM_CENTS = 1_000
RELOAD_CENTS = 2_500
CHARGES = 200
CARD = "pm_card_visa"
PATIENCE_SECONDS = 30.0
NO_BRAKE = 1_000_000
"""Everybody runs low at once here, which in earnest looks like a mistake of ours and stops all charges."""


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    folder = stage.servers.folder / "stripe"
    folder.mkdir(exist_ok=True)
    count, warm_up = stage.many(CUSTOMERS), stage.many(WARM_UP)
    async with (
        running_standin(folder) as standin,
        system(stage, _paying_with(standin)) as running,
        _Listener.open(stage.amqp_url) as listener,
        httpx.AsyncClient(base_url=running.rest.url, trust_env=False, timeout=30) as http,
    ):
        customers = [f"reload-{number}" for number in range(warm_up + count)]
        for customer in customers:
            await _move_in(http, customer)
        await _run_low(listener, customers[:warm_up])
        charge_ms = await _charges(standin, stage.many(CHARGES))
        running.meter.begin()
        took_ms = await _run_low(listener, customers[warm_up:])
        spent = running.meter.micros(count)
        await _check(running, len(customers))
    return [_figure(Spread.of(took_ms), Spread.of(charge_ms), spent)]


def _figure(took: Spread, charge: Spread, spent: Micros) -> Figure:
    return Figure(
        f"auto-reload, p50 from usage to credit and news, at {PER_SECOND}/s",
        took.p50,
        "ms",
        charge.p50,
        "ms, the charge alone at the stand-in",
        target=None,
        bound="most",
        spread=took,
        cpu=spent,
    )


def _paying_with(standin: RunningStandin) -> dict[str, str]:
    return {
        "STRIPE_API_KEY": standin.secret_key,
        "RINGFENCE_STRIPE_API_URL": standin.api_base,
        "RINGFENCE_STRIPE_PUBLISHABLE_KEY": standin.publishable_key,
        "RINGFENCE_STRIPE_WEBHOOK_SECRET": standin.webhook_secret,
        "RINGFENCE_BRAKE_ACCOUNTS_MIN": str(NO_BRAKE),
    }


async def _move_in(http: httpx.AsyncClient, customer: str) -> None:
    """An account with exactly the minimum, a card on file, and auto-reload on."""

    async def ask(method: str, path: str, body: dict[str, Any], **headers: str) -> None:
        answer = await http.request(
            method, path, json=body, headers={"Authorization": f"Bearer {PLATFORM_KEY}", **headers}
        )
        assert answer.is_success, answer.text

    of_account = {"Ringfence-Account": customer}
    await ask("POST", "/v1/accounts", {"id": customer, "name": customer, "signup_credit_cents": MINIMUM_CENTS})
    await ask("POST", "/v1/billing/default-payment-method", {"payment_method_id": CARD}, **of_account)
    policy = {
        "auto_reload_enabled": True,
        "auto_reload_minimum_cents": MINIMUM_CENTS,
        "auto_reload_amount_cents": RELOAD_CENTS,
    }
    await ask("PATCH", "/v1/billing", policy, **of_account)


async def _charges(standin: RunningStandin, count: int) -> list[float]:
    """How long the stand-in takes for one charge of a saved card, asked one after the other, in ms."""
    loop = asyncio.get_running_loop()
    took_ms: list[float] = []
    headers = {"Authorization": f"Bearer {standin.secret_key}"}
    async with httpx.AsyncClient(base_url=standin.api_base, headers=headers, trust_env=False) as stripe:

        async def ask(path: str, **fields: str) -> dict[str, Any]:
            answer = await stripe.post(path, data=fields)
            assert answer.is_success, answer.text
            value: dict[str, Any] = answer.json()
            return value

        customer = (await ask("/v1/customers", name="Bench"))["id"]
        card = (await ask(f"/v1/payment_methods/{CARD}/attach", customer=customer))["id"]
        charge = {
            "amount": str(RELOAD_CENTS),
            "currency": "usd",
            "customer": customer,
            "payment_method": card,
            "confirm": "true",
            "off_session": "true",
        }
        for _ in range(count):
            began = loop.time()
            assert (await ask("/v1/payment_intents", **charge))["status"] == "succeeded"
            took_ms.append((loop.time() - began) * 1000)
    return took_ms


async def _run_low(listener: "_Listener", customers: Sequence[str]) -> list[float]:
    """One message of a cent each, so many customers a second; how long until both news of each were heard, in ms."""
    waiting = iter(customers)

    async def send(count: int, due: float) -> None:
        await listener.send([next(waiting) for _ in range(count)], due)

    await pace(PER_SECOND, len(customers) / PER_SECOND, send)
    return await listener.all_heard()


async def _check(running: System, reloads: int) -> None:
    """Each was charged once, and credited once."""
    await running.audit()
    credits = await running.owner.fetchval("SELECT count(*) FROM ledger.transfers WHERE reason = 'auto_reload'")
    assert credits == reloads, (credits, reloads)


class _Listener:
    """Remembers when each customer's usage was due, until its credit and its reload have both been told."""

    def __init__(self, broker: Rabbit) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._due: dict[str, tuple[float, set[str]]] = {}
        self._took_ms: list[float] = []
        self._all_heard = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator["_Listener"]:
        broker = Rabbit(url, name="bench reload")
        await broker.open()
        try:
            listener = cls(broker)
            for type, heard in (("balance_changed", listener._balance), ("auto_reload_succeeded", listener._reload)):
                overhearing = await broker.overhear(EVENTS, f"{type}.#", heard)
                await overhearing.listening()
            yield listener
        finally:
            await broker.close()

    async def send(self, customers: Sequence[str], due: float) -> None:
        now = SystemClock().now()
        self._all_heard.clear()
        self._due |= {customer: (due, {"credit", "reload"}) for customer in customers}
        events = [sms_sent(customer, f"low-{customer}", now) for customer in customers]
        problems = await self._broker.publish_many(
            [Message(USAGE, "sms.sent", orjson.dumps(event)) for event in events]
        )
        assert not any(problems), problems

    async def all_heard(self) -> list[float]:
        if self._due:
            await asyncio.wait_for(self._all_heard.wait(), PATIENCE_SECONDS)
        took_ms, self._took_ms = self._took_ms, []
        return took_ms

    def _balance(self, message: Incoming) -> None:
        event = orjson.loads(message.body)
        if any(entry["reason"] == "auto_reload" for entry in event["data"]["transactions"]):
            self._heard(event["subject"], "credit")

    def _reload(self, message: Incoming) -> None:
        self._heard(orjson.loads(message.body)["subject"], "reload")

    def _heard(self, customer: str, what: str) -> None:
        due, missing = self._due.get(customer, (0.0, {""}))
        missing.discard(what)
        if not missing:
            del self._due[customer]
            self._took_ms.append((self._loop.time() - due) * 1000)
        if not self._due:
            self._all_heard.set()
