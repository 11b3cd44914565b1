"""One system for all tests of a file: calls that last a minute are under way while the others are made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from deploy.local.servers import Servers
from services.commands.payment_provider import payment_provider
from services.everything import SERVICES
from shared.postgres.audit import audit_books
from shared.runtime import host
from shared.settings import Settings
from tests.conftest import PLATFORM_KEY, _fresh_database, empty_queues

CENT_A_SECOND = [
    {"item": "voice", "price_usd": "0.60", "per": "minute", "increment_seconds": 1},
    {"item": "telephony", "price_usd": "0", "per": "minute", "increment_seconds": 1},
]
PATIENCE_SECONDS = 60.0

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class System:
    """Ringfence, seen from outside with the platform key."""

    url: str
    database_url: str
    client: httpx.AsyncClient

    @property
    def environment(self) -> dict[str, str]:
        return {"RINGFENCE_HTTP_URL": self.url, "RINGFENCE_PLATFORM_KEY": PLATFORM_KEY}

    async def open_account(self, account_id: str, *, cents: int) -> None:
        """With so much money, where a second of talk costs a cent."""
        body = {"id": account_id, "name": account_id, "signup_credit_cents": cents}
        (await self.client.post("/v1/accounts", json=body)).raise_for_status()
        prices = await self.client.put(f"/v1/accounts/{account_id}/prices", json={"items": CENT_A_SECOND})
        prices.raise_for_status()

    async def balance_cents(self, account_id: str) -> int:
        return int((await self.client.get(f"/v1/accounts/{account_id}")).raise_for_status().json()["balance_cents"])

    async def holds(self, account_id: str) -> list[dict[str, Any]]:
        answer = await self.client.get("/v1/holds", params={"account_id": account_id})
        return list(answer.raise_for_status().json()["data"])

    async def debits(self, account_id: str) -> list[dict[str, Any]]:
        """Newest first."""
        answer = await self.client.get(
            "/v1/billing/transactions",
            params={"kind": "debit", "limit": 200},
            headers={"Ringfence-Account": account_id},
        )
        return list(answer.raise_for_status().json())

    async def billed_seconds(self, account_id: str) -> list[int]:
        """Once all its holds are settled: what each call was billed, newest first."""
        await until(lambda: self.holds(account_id), lambda holds: all(h["state"] != "open" for h in holds))
        return [d["metadata"]["components"][0]["billed"] for d in await self.debits(account_id)]

    async def given_up(self) -> list[str]:
        """What no queue's consumer could do, as the metrics count it."""
        metrics = (await self.client.get("/metrics")).text
        return [line for line in metrics.splitlines() if line.startswith("ringfence_messages_given_up_total")]

    async def findings(self) -> tuple[object, ...]:
        return (await audit_books(self.database_url)).findings


async def until(look: Callable[[], Awaitable[Seen]], as_wanted: Callable[[Seen], bool]) -> Seen:
    """What is seen once it is as wanted; fails with what was seen last."""
    give_up = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not as_wanted(seen := await look()):
        assert asyncio.get_running_loop().time() < give_up, seen
        await asyncio.sleep(0.1)
    return seen


@pytest.fixture(scope="module")
async def system(
    servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    """The whole of Ringfence, for this file alone."""
    database_url = await _fresh_database(servers.postgres_url, "ringfence_integrations", template="ringfence_template")
    operator = servers.amqp_urls["operator"]
    await empty_queues(operator)
    settings = Settings(
        postgres_url=database_url, amqp_url=operator, http_port=0, platform_key=PLATFORM_KEY, rate_limit_per_second=0
    )
    async with AsyncExitStack() as stack:
        folder: Path = tmp_path_factory.mktemp("provider")
        provider = await stack.enter_async_context(payment_provider(folder, SERVICES, settings))
        hosted = await stack.enter_async_context(host(SERVICES, provider.settings))
        client = httpx.AsyncClient(base_url=hosted.url, headers={"Authorization": f"Bearer {PLATFORM_KEY}"}, timeout=30)
        yield System(hosted.url, database_url, await stack.enter_async_context(client))
