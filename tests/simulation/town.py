"""A town in one process: what every service decides, on one real database and a stand-in of Stripe, with moved time.

No broker and no timers: what would be a message or a tick is a step, and the seed decides which step comes next, what is
delivered twice, late or in another order, and where the process dies. Nothing waits for anything, so that a seed tells
the same story each time.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.gatekeeper.handlers import Settle
from services.gatekeeper.requests import read_check
from services.ledger import handlers
from services.ledger.context import LedgerContext
from services.ledger.domain.usage import UsageFact, read_usage
from services.ledger.prices import ensure_first_book
from services.ledger.settings import LedgerSettings
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.settings import SubscriptionSettings
from shared.crash_points import Crashed
from shared.postgres.pool import open_pool, transaction
from shared.price_books import PriceBooks
from tests.services.payments.light import Light
from tests.services.subscriptions.many import make_subscriptions

CALL = {"direction": "outbound", "from": "+15550100", "to": "+4930123456"}
PAID_AT_START = 10_000_000


@dataclass
class Books:
    """What a wallet should hold, told by the simulation to itself."""

    usage_micros: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, datetime] = field(default_factory=dict)
    moved_micros: int = 0


@dataclass
class Town:
    """The services' contexts, the mail that is under way, and the model of each wallet."""

    light: Light
    ledger: LedgerContext
    subscriptions: SubscriptionsContext
    gate: asyncpg.Pool
    settle: Settle
    random: random.Random
    wallets: dict[str, Books]
    clients: list[str]
    mail: list[dict[str, Any]] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    client_seconds: dict[str, int] = field(default_factory=dict)
    grants: int = 0

    @property
    def now(self) -> datetime:
        return self.light.clock.now()

    async def check(self, account_id: str, call_id: str, seconds: int) -> int | None:
        """Seconds granted by the gate; None when it refuses."""
        body = {**CALL, "account_id": account_id, "call_id": call_id, "seconds": seconds}
        async with transaction(self.gate) as connection:
            settled = await self.settle(connection, [read_check("call", body)])
        answer = settled.answers[0]
        if answer.status != 200:
            assert answer.status == 402, answer
            return None
        self.grants += 1
        granted: int = answer.body["granted_seconds"]
        return granted

    async def deliver(self, events: list[dict[str, Any]], *, dies: bool) -> None:
        """What a consumer does with a batch. A process that dies loses its work and nothing else: all comes again."""
        facts = [read_usage(orjson.loads(orjson.dumps(event)), received_at=self.now) for event in events]
        assert all(isinstance(fact, UsageFact) for fact in facts), facts
        taken: list[Any] = list(facts)
        if not dies:
            assert await handlers.post_usage(self.ledger, taken) == [None] * len(taken)
            return
        try:
            async with transaction(self.ledger.pool) as connection:
                await handlers.post_within(self.ledger, connection, taken, self.now)
                raise Crashed("usage posted, not committed")
        except Crashed:
            self.mail += events

    async def balance(self, account_id: str) -> int:
        micros: int = await self.light.admin.fetchval(
            "SELECT balance_micros FROM ledger.accounts WHERE account_id = $1", account_id
        )
        return micros


@asynccontextmanager
async def town(light: Light, seed: int) -> AsyncIterator[Town]:
    """Three wallets, one of them with auto-reload; two clients on a plan of 100 minutes."""
    host = light.context.host
    clients = await make_subscriptions(light.database_url, 2, started_at=light.clock.now())
    ledger, gate = await open_pool(light.database_url, "ledger"), await open_pool(light.database_url, "gatekeeper")
    subscriptions = await open_pool(light.database_url, "subscriptions")
    async with transaction(ledger) as connection:
        await ensure_first_book(connection, now=light.clock.now())
    context = LedgerContext(host, ledger, PriceBooks(ledger), LedgerSettings())
    await context.prices.learn()
    prices = PriceBooks(gate)
    await prices.learn()
    wallets = {f"wallet-{place}": Books() for place in range(3)}
    try:
        built = Town(
            light,
            context,
            SubscriptionsContext(host, subscriptions, SubscriptionSettings()),
            gate,
            Settle(prices, light.clock, campaign_minimum_cents=20),
            random.Random(seed),
            wallets,
            clients,
        )
        for account_id in wallets:
            await light.open_account(account_id)
            await light.move(account_id, 1_000)
        await light.save_card("wallet-0")
        await light.reload("wallet-0", 300, 1_000)
        yield built
    finally:
        for pool in (ledger, gate, subscriptions):
            await pool.close()


def ended(town: Town, account_id: str, call_id: str, seconds: int) -> dict[str, Any]:
    """The report of a call that ended now."""
    answered = town.now - timedelta(seconds=seconds)
    data = {
        **CALL,
        "account_id": account_id,
        "call_id": call_id,
        "status": "completed",
        "started_at": answered.isoformat(),
        "answered_at": answered.isoformat(),
        "ended_at": town.now.isoformat(),
        "duration_seconds": seconds,
    }
    return _event("call.ended", call_id, data, town.now)


def rented(town: Town, account_id: str, number_id: str) -> dict[str, Any]:
    data = {"account_id": account_id, "number_id": number_id, "number": "+15550100", "at": town.now.isoformat()}
    return _event("number.rented", number_id, data, town.now)


def _event(kind: str, event_id: str, data: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event_id, "source": "sim", "type": kind, "time": at.isoformat(), "data": data}
