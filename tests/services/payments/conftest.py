"""The ledger and payments hosted together, a stand-in of Stripe that each test may make misbehave, customers."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.servers import Servers
from deploy.local.stripe_standin.control_client import Sim
from services.commands.payment_provider import hold_of_clock, payment_provider
from services.gatekeeper.service import GATEKEEPER
from services.ledger.service import LEDGER
from services.payments.context import Context
from services.payments.invariants import findings
from services.payments.service import PAYMENTS, open_context
from shared.clock import rfc3339
from shared.contracts.ticks_v1 import TickName, tick_type
from shared.ids import new_id
from shared.messaging.cloudevents import cloud_event
from shared.messaging.messages import Message
from shared.messaging.topology import TICKS
from shared.postgres.audit import audit_books
from shared.runtime import Hosted, host
from shared.settings import Settings
from tests.conftest import PLATFORM_KEY, empty_queues
from tests.services.payments.light import own_database

WAIT_SECONDS = 10.0


async def eventually(holds: Callable[[], Awaitable[Any]], *, seconds: float = WAIT_SECONDS) -> Any:
    """The first true answer; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await holds()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"it never held: {holds}"
        await asyncio.sleep(0.03)


@dataclass(frozen=True)
class Customer:
    """An account with its key."""

    account_id: str
    http: httpx.AsyncClient

    async def billing(self) -> dict[str, Any]:
        return await self._ok(await self.http.get("/v1/billing"))

    async def top_up(self, amount_cents: int, *, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.http.post("/v1/billing/top-up", json={"amount_cents": amount_cents, **body}, headers=headers)

    async def save_card(self, card: str = "visa") -> str:
        """Attach a test card and make it the default; its id."""
        chosen = {"payment_method_id": f"pm_card_{card}"}
        await self._ok(await self.http.post("/v1/billing/default-payment-method", json=chosen))
        listed = (await self.http.get("/v1/billing/payment-methods")).json()["payment_methods"]
        found: str = next(method["id"] for method in listed if method["is_default"])
        return found

    async def save_card_again(self) -> str:
        """Choose the card that is the default already."""
        listed = (await self.http.get("/v1/billing/payment-methods")).json()["payment_methods"]
        chosen: str = next(method["id"] for method in listed if method["is_default"])
        await self._ok(await self.http.post("/v1/billing/default-payment-method", json={"payment_method_id": chosen}))
        return chosen

    async def reload(self, minimum: int, amount: int, **more: Any) -> dict[str, Any]:
        wanted = {
            "auto_reload_enabled": True,
            "auto_reload_minimum_cents": minimum,
            "auto_reload_amount_cents": amount,
            **more,
        }
        return await self._ok(await self.http.patch("/v1/billing", json=wanted))

    async def transactions(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await self.http.get("/v1/billing/transactions?limit=200")).json()
        return listed

    async def balance(self) -> int:
        cents: int = (await self.billing())["balance_cents"]
        return cents

    @staticmethod
    async def _ok(answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code < 300, answer.text
        value: dict[str, Any] = answer.json()
        return value


@dataclass(frozen=True)
class Platform:
    """The system, and what the phone platform may do to it. Accounts are the test's own: `prefix` sets them apart."""

    hosted: Hosted
    http: httpx.AsyncClient
    sim: Sim
    admin: asyncpg.Connection
    stack: AsyncExitStack
    prefix: str = ""

    def name(self, account_id: str) -> str:
        return account_id if account_id.startswith(self.prefix) else f"{self.prefix}{account_id}"

    async def customer(self, account_id: str = "acct_1", *, balance_cents: int = 0, **terms: Any) -> Customer:
        account_id = self.name(account_id)
        wanted = {"id": account_id, "name": account_id, "signup_credit_cents": max(0, balance_cents), **terms}
        opened = await self.http.post("/v1/accounts", json=wanted)
        assert opened.status_code == 201, opened.text
        key = opened.json()["api_key"]
        client = httpx.AsyncClient(
            base_url=self.hosted.url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )
        await self.stack.enter_async_context(client)
        if balance_cents < 0:
            await self.spend(account_id, -balance_cents)
        return Customer(account_id, client)

    async def spend(self, account_id: str, cents: int) -> None:
        """Take money away, as an adjustment by an operator."""
        body = {"amount_cents": -cents, "description": "spent in a test"}
        done = await self.http.post(f"/v1/accounts/{self.name(account_id)}/adjustments", json=body)
        assert done.status_code == 201, done.text

    async def advance(self, seconds: float) -> None:
        moved = await self.http.post("/v1/test/clock", json={"advance_seconds": int(seconds)})
        assert moved.status_code == 200, moved.text
        await asyncio.sleep(0.25)  # every service follows within 0.2 s

    async def tick(self, name: TickName) -> None:
        """Publish a tick, as the scheduler does."""
        now = self.hosted.host.clock.now()
        body = cloud_event(id=new_id("tick", now), type=tick_type(name), time=now, data={"due_at": rfc3339(now)})
        await self.hosted.host.broker.publish(Message(exchange=TICKS, routing_key=tick_type(name), body=body))

    async def account(self, account_id: str = "acct_1") -> dict[str, Any]:
        shown: dict[str, Any] = (await self.http.get(f"/v1/accounts/{self.name(account_id)}")).json()
        return shown

    async def events(self, event_type: str | None = None, account_id: str = "acct_1") -> list[dict[str, Any]]:
        query = f"?limit=200&type={event_type}" if event_type else "?limit=200"
        answer = (await self.http.get(f"/v1/accounts/{self.name(account_id)}/events{query}")).json()
        listed: list[dict[str, Any]] = answer["data"] if isinstance(answer, dict) else answer
        return listed

    async def intents(self) -> list[dict[str, Any]]:
        """The test's payments at the provider, oldest first."""
        made = await self.sim.objects("payment_intent")
        return [intent for intent in made if intent["metadata"].get("org", "").startswith(self.prefix)]

    async def charges(self, status: str | None = None) -> list[dict[str, Any]]:
        """The test's charges at the provider, oldest first."""
        ours = {intent["id"] for intent in await self.intents()}
        made = await self.sim.objects("charge")
        return [c for c in made if c["payment_intent"] in ours and status in (None, c["status"])]


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
async def town(
    servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Platform]:
    """One system for all tests of a module; at its end charges = credits, both ways, and the books are right."""
    async with own_database(servers, f"ringfence_payments_{next(_numbers)}") as url:
        settings = Settings(
            postgres_url=url,
            amqp_url=servers.amqp_urls["operator"],
            http_port=0,
            test_clock=True,
            platform_key=PLATFORM_KEY,
            rate_limit_per_second=0,
        )
        await empty_queues(settings.amqp_url)
        chosen = (LEDGER, GATEKEEPER, PAYMENTS)
        async with (
            payment_provider(tmp_path_factory.mktemp("stripe"), chosen, settings) as provider,
            host(chosen, provider.settings) as hosted,
        ):
            hold_of_clock(provider, hosted.host.clock)
            async with running_platform(hosted, url) as running:
                yield running
                await settle(running)
                await prove_books(running, url)


@pytest.fixture
async def platform(town: Platform) -> AsyncIterator[Platform]:
    """The module's system, with customers of the test's own."""
    yield replace(town, prefix=f"t{next(_numbers)}-")
    await settle(town)


@asynccontextmanager
async def running_platform(hosted: Hosted, database_url: str) -> AsyncIterator[Platform]:
    """Clients of a hosted system; closed at the end."""
    keys = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    stripe_url = os.environ["RINGFENCE_STRIPE_API_URL"]
    async with AsyncExitStack() as stack:
        http = httpx.AsyncClient(base_url=hosted.url, headers=keys, timeout=60, trust_env=False)
        stripe = httpx.AsyncClient(base_url=stripe_url, timeout=60, trust_env=False)
        await stack.enter_async_context(http)
        await stack.enter_async_context(stripe)
        admin = await asyncpg.connect(database_url)
        stack.push_async_callback(admin.close)
        yield Platform(hosted, http, Sim(stripe), admin, stack)


async def settle(running: Platform) -> None:
    """Let faults end, webhooks arrive and the sweep do its work, as time would."""
    await running.sim.clear_faults()
    await running.sim.idle()


async def prove_books(running: Platform, database_url: str) -> None:
    """Charges = credits, by id and amount, both ways; and the books agree with themselves."""
    async with open_context(running.hosted.host) as context:
        await bring_to_rest(context)
        found = await findings(context.pool, context.provider, context.now())
    assert found == []
    assert (await audit_books(database_url)).findings == ()


async def bring_to_rest(context: Context) -> None:
    """What the jobs and ticks do within a minute."""
    from services.payments.inbox import pull, work_off
    from services.payments.sweep import sweep

    await context.pool.execute(
        "UPDATE payments.attempts SET next_check_at = $1, lease_until = NULL"
        " WHERE state IN ('submitting', 'unknown', 'created')",
        context.now(),
    )
    await sweep(context)
    await pull(context)
    await work_off(context)
    await context.finish()
