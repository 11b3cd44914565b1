"""Payments without the rest of the house: its pool, its provider and its webhook route, and accounts made by hand.

For tests that crash it, hundreds of times or in a process of its own. Nothing is mocked: the books are the
ledger's, the stand-in is the stand-in; only the broker has nothing to do.
"""

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn

from deploy.local.servers import Servers
from deploy.local.stripe_standin import running_standin
from deploy.local.stripe_standin.control_client import Sim
from deploy.local.stripe_standin.server import listen, serving
from services.payments.api_stripe import build_router
from services.payments.cards import choose_default
from services.payments.context import Context
from services.payments.inbox import InboxWorker, pull, work_off
from services.payments.invariants import findings
from services.payments.policy import Change, change_policy
from services.payments.recharging import consider_many
from services.payments.service import PAYMENTS, open_context
from services.payments.sweep import sweep
from shared.announcer import Announcer
from shared.clock import MovableClock
from shared.http_app import build_app
from shared.messaging.rabbit import Rabbit
from shared.postgres.audit import audit_books
from shared.postgres.pool import open_pool
from shared.runtime import _access, _pool
from shared.service import Host, Running
from shared.settings import Settings
from tests.conftest import _fresh_database

UNUSED_BROKER = "amqp://nobody:nothing@127.0.0.1:1/none"


@asynccontextmanager
async def light_context(database_url: str, clock: MovableClock) -> AsyncIterator[Context]:
    """Payments' context as the environment says; its announcer announces nothing."""
    settings = Settings(postgres_url=database_url, amqp_url=UNUSED_BROKER, test_clock=True, pool_size_max=8)
    pool = await open_pool(database_url, "payments", size_max=2)
    broker = Rabbit(settings.amqp_url)
    host = Host(
        settings=settings,
        clock=clock,
        broker=broker,
        access=_access(pool, settings, clock),
        announcer=Announcer(pool, broker, clock),
        open_pool=lambda service, **limits: _pool(settings, service, **limits),
    )
    try:
        async with open_context(host) as context:
            yield context
    finally:
        await pool.close()


@dataclass
class Light:
    """`admin` is the login that owns the database."""

    context: Context
    clock: MovableClock
    sim: Sim
    admin: asyncpg.Pool
    database_url: str

    async def open_account(self, account_id: str, **terms: Any) -> str:
        await self.admin.execute(
            "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros, auto_charge,"
            " settle_negative) VALUES ($1, $1, $2, 2000000, $3, $4)",
            account_id,
            self.clock.now(),
            terms.get("auto_charge", False),
            terms.get("settle_negative", False),
        )
        return account_id

    async def move(self, account_id: str, cents: int) -> None:
        """Usage or a gift: money that payments has nothing to do with."""
        await self.admin.execute(
            "SELECT ledger.post_credit_v1($1, 'adjustment', 'adjustment', $2, 'adjustments', $3, 'moved', 'event',"
            " $3, '{}', $4)",
            account_id,
            cents * 10_000,
            f"test:{uuid.uuid4()}",
            self.clock.now(),
        )

    async def save_card(self, account_id: str, card: str = "visa") -> None:
        await choose_default(self.context, account_id, f"pm_card_{card}")

    async def reload(self, account_id: str, minimum: int, amount: int, limit: int | None = None) -> None:
        change = Change(enabled=True, minimum_cents=minimum, amount_cents=amount, monthly_limit_cents=limit)
        await change_policy(self.context, account_id, change)

    async def balance(self, account_id: str) -> int:
        micros: int = await self.admin.fetchval(
            "SELECT balance_micros FROM ledger.accounts WHERE account_id = $1", account_id
        )
        return micros // 10_000

    def advance(self, seconds: float) -> None:
        self.clock.move_to_offset(self.clock.offset + timedelta(seconds=seconds))

    async def recover(self) -> None:
        """What jobs and ticks do within minutes of a restart; then once when the longest back-off is over."""
        for seconds in (61, 61, 3_700):
            self.advance(seconds)
            await sweep(self.context)
            await pull(self.context)
            await work_off(self.context)
            await self.context.finish()

    async def recover_nothing(self, seconds: float) -> None:
        """Time passes and the sweep tries, in vain."""
        for _ in range(4):
            self.advance(seconds / 4)
            await sweep(self.context)

    async def prove(self) -> None:
        """Charges = credits, by id and amount, both ways; the books agree with themselves."""
        found = await findings(self.context.pool, self.context.provider, self.clock.now())
        assert found == [], found
        report = await audit_books(self.database_url)
        assert report.findings == (), report.findings

    async def consider(self, account_id: str) -> None:
        await consider_many(self.context, [account_id])
        await self.context.finish()


@asynccontextmanager
async def own_database(servers: Servers, name: str) -> AsyncIterator[str]:
    """A migrated database; the template must be there (fixture template_url)."""
    yield await _fresh_database(servers.postgres_url, name, template="ringfence_template")
    admin = await asyncpg.connect(servers.postgres_url)
    try:
        for _ in range(50):
            try:
                await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
                return
            except asyncpg.InsufficientPrivilegeError:
                await asyncio.sleep(0.1)  # the server's own vacuum is in it, which only a superuser may end
    finally:
        await admin.close()


@asynccontextmanager
async def light_system(database_url: str, folder: Path) -> AsyncIterator[Light]:
    """With a stand-in whose webhooks arrive; what they bring is worked off by `recover`, or when a test asks."""
    clock = MovableClock()
    listener = listen(0)
    webhook_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/stripe/webhook"
    async with running_standin(folder, clock=clock, webhook_url=webhook_url) as standin:
        admin = await asyncpg.create_pool(database_url, min_size=1, max_size=2)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("RINGFENCE_STRIPE_API_URL", standin.api_base)
            environment.setenv("RINGFENCE_STRIPE_WEBHOOK_SECRET", standin.webhook_secret)
            environment.setenv("STRIPE_API_KEY", standin.secret_key)
            try:
                async with light_context(database_url, clock) as context, _webhooks(context, listener):
                    yield Light(context, clock, standin.sim, admin, database_url)
            finally:
                await admin.close()


@asynccontextmanager
async def _webhooks(context: Context, listener: socket.socket) -> AsyncIterator[None]:
    running = {"payments": Running(routers=[build_router(context, InboxWorker(context))])}
    _, app = build_app([PAYMENTS], running, context.host)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    async with serving(config, listener):
        yield
