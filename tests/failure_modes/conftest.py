"""A ledger and a gate, told to over HTTP; the books are audited when a test is over."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from services.gatekeeper.service import GATEKEEPER
from services.ledger.service import LEDGER
from shared.postgres.audit import audit_books
from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY, AsksAgain, HostServices
from tests.services.ledger.steps import until

CALL = {"direction": "outbound", "from": "+15550100", "to": "+4930123456"}


@dataclass(frozen=True)
class House:
    """One running system, and a look into its books."""

    hosted: Hosted
    http: httpx.AsyncClient
    books: asyncpg.Connection

    async def account(self, account_id: str = "acme", *, cents: int = 1_000, **terms: Any) -> None:
        body = {"id": account_id, "name": account_id, "signup_credit_cents": cents, **terms}
        assert (await self.http.post("/v1/accounts", json=body)).status_code == 201

    async def check(self, call_id: str, *, account_id: str = "acme", **fields: Any) -> httpx.Response:
        body = {**CALL, "account_id": account_id, "call_id": call_id, **fields}
        return await self.http.post("/v1/checks/call", json=body)

    async def tell(self, *events: dict[str, Any]) -> None:
        answer = await self.http.post("/v1/usage", json=list(events))
        assert (answer.status_code, answer.json()["rejected"]) == (202, [])

    async def balance(self, account_id: str = "acme") -> int:
        """In micros."""
        value: int = await self.books.fetchval(
            "SELECT balance_micros FROM ledger.accounts WHERE account_id = $1", account_id
        )
        return value

    async def has_billed(self, count: int, account_id: str = "acme") -> None:
        """Waits until so many debits are posted; what was told twice is not among them."""

        async def posted() -> bool:
            return len(await self.debits(account_id)) >= count

        await until(posted, seconds=40)

    async def debits(self, account_id: str = "acme") -> list[asyncpg.Record]:
        return list(
            await self.books.fetch(
                "SELECT * FROM ledger.transfers WHERE account_id = $1 AND kind = 'debit' ORDER BY id", account_id
            )
        )

    async def advance(self, seconds: int) -> None:
        moved = await self.http.post("/v1/test/clock", json={"advance_seconds": seconds})
        assert moved.status_code == 200
        await asyncio.sleep(0.3)  # every process follows within 0.2 s


@pytest.fixture
async def open_house(host_services: HostServices, database_url: str) -> AsyncIterator[Any]:
    """`await open_house()` starts a replica of ledger and gate; called again, another one beside it."""
    opened: list[House] = []

    async def start() -> House:
        hosted = await host_services(LEDGER, GATEKEEPER)
        http = httpx.AsyncClient(
            base_url=hosted.url,
            headers={"Authorization": f"Bearer {PLATFORM_KEY}"},
            timeout=30,
            trust_env=False,
            transport=AsksAgain(),
        )
        opened.append(House(hosted, http, await asyncpg.connect(database_url)))
        return opened[-1]

    yield start
    for house in opened:
        await house.http.aclose()
        await house.books.close()
    assert (await audit_books(database_url)).findings == ()


@pytest.fixture
async def house(open_house: Any) -> House:
    started: House = await open_house()
    return started
