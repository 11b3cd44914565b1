"""An agency with its clients on the real system, over HTTP, with a clock the tests move."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from shared.postgres.audit import audit_books
from shared.runtime import Hosted
from shared.settings import Settings

PLAN = {
    "name": "Voice 100",
    "currency": "USD",
    "recurring_fee_cents": 4_900,
    "minute_rate_usd": "0.10",
    "included_minutes": 100,
    "rhythm": "monthly",
    "rhythm_count": 1,
    "due_days": 7,
    "grace_days": 3,
    "packs_allowed": True,
    "client_may_start": True,
}
UNPAID = {"payment_status": "pending"}
CALL = {"direction": "outbound", "from": "+15550001111", "to": "+15550002222"}

_numbers = count(1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """(status, code) of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


@dataclass
class World:
    """The running system: a client per key, its clock, its database for what only tests look at."""

    url: str
    platform: httpx.AsyncClient
    postgres_url: str
    _stack: AsyncExitStack = field(repr=False)

    async def with_key(self, key: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"}
        return await self._stack.enter_async_context(httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30))

    async def agency(self, **fields: Any) -> "Agency":
        opened = await self.platform.post(
            "/v1/accounts", json={"name": "Agency", "id": f"agency-{next(_numbers)}", "agency": True, **fields}
        )
        assert opened.status_code == 201, opened.text
        return Agency(self, opened.json()["id"], await self.with_key(opened.json()["api_key"]))

    async def advance(self, **by: float) -> datetime:
        answer = await self.platform.post(
            "/v1/test/clock", json={"advance_seconds": int(timedelta(**by).total_seconds())}
        )
        return instant(answer.json()["now"])

    async def clock_to(self, at: datetime) -> None:
        answer = await self.platform.post("/v1/test/clock", json={"now": at.isoformat()})
        assert answer.status_code == 200, answer.text

    async def use(self, account_id: str, seconds: int, *, ended_at: datetime | None = None, **fields: Any) -> None:
        """A call of so many seconds is over."""
        if ended_at is None:
            ended_at = instant((await self.platform.post("/v1/test/clock", json={"advance_seconds": 0})).json()["now"])
        number = next(_numbers)
        started_at = (ended_at - timedelta(seconds=seconds)).isoformat()
        data = {
            **CALL,
            "account_id": account_id,
            "call_id": f"call-{number}",
            "status": "completed",
            "started_at": started_at,
            "answered_at": started_at,
            "ended_at": ended_at.isoformat(),
            "duration_seconds": seconds,
            **fields,
        }
        event = {"specversion": "1.0", "id": f"e{number}", "source": "tests", "type": "call.ended", "data": data}
        answer = await self.platform.post("/v1/usage", json=event)
        assert answer.status_code == 202, answer.text

    async def check(self, account_id: str, **fields: Any) -> httpx.Response:
        body = {**CALL, "account_id": account_id, "call_id": f"call-{next(_numbers)}", **fields}
        return await self.platform.post("/v1/checks/call", json=body)

    async def events(self, account_id: str, *types: str) -> list[dict[str, Any]]:
        """The account's events of these types, oldest first."""
        connection = await asyncpg.connect(self.postgres_url)
        try:
            rows = await connection.fetch(
                "SELECT type, data::text FROM ledger.events WHERE account_id = $1 ORDER BY seq", account_id
            )
        finally:
            await connection.close()
        return [{"type": row["type"], **orjson.loads(row["data"])} for row in rows if row["type"] in types]


@dataclass
class Agency:
    """An agency and its key."""

    world: World
    id: str
    http: httpx.AsyncClient

    async def plan(self, **fields: Any) -> dict[str, Any]:
        return await self._made("/v1/plans", {**PLAN, **fields})

    async def pack(self, **fields: Any) -> dict[str, Any]:
        return await self._made(
            "/v1/packs", {"name": "Pack 50", "minutes": 50, "price_cents": 1_000, "currency": "USD", **fields}
        )

    async def client(self, *, plan: dict[str, Any] | None = None, **fields: Any) -> "Client":
        opened = await self._made("/v1/clients", {"id": f"client-{next(_numbers)}", "name": "Client", **fields})
        client = Client(self, opened["account_id"], opened["api_key"])
        if plan is not None:
            assigned = await self.http.put(f"{client.path}/plan", json={"plan_id": plan["id"]})
            assert assigned.status_code == 200, assigned.text
        return client

    async def subscribed(self, **terms: Any) -> "Client":
        """A client with a running subscription on a plan of its own."""
        client = await self.client(plan=await self.plan(**terms))
        await client.start()
        return client

    async def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@dataclass
class Client:
    """A client as its agency sees it."""

    agency: Agency
    id: str
    key: str

    @property
    def path(self) -> str:
        return f"/v1/clients/{self.id}"

    @property
    def http(self) -> httpx.AsyncClient:
        return self.agency.http

    async def start(self) -> dict[str, Any]:
        answer = await self.http.post(f"{self.path}/subscription")
        assert answer.status_code == 201, answer.text
        started: dict[str, Any] = answer.json()
        return started

    async def cancel(self) -> dict[str, Any]:
        answer = await self.http.post(f"{self.path}/subscription/cancel")
        assert answer.status_code == 200, answer.text
        canceled: dict[str, Any] = answer.json()
        return canceled

    async def read(self, what: str) -> dict[str, Any]:
        answer = await self.http.get(f"{self.path}/{what}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def requests(self, **filters: Any) -> list[dict[str, Any]]:
        """Its payment requests, oldest first."""
        answer = await self.http.get("/v1/payment-requests", params={"client_id": self.id, "limit": 200, **filters})
        found: list[dict[str, Any]] = answer.json()["data"]
        return found[::-1]

    async def settle(self, request: dict[str, Any], status: str = "paid") -> dict[str, Any]:
        answer = await self.http.patch(f"/v1/payment-requests/{request['id']}", json={"status": status})
        assert answer.status_code == 200, answer.text
        settled: dict[str, Any] = answer.json()
        return settled

    async def reaches(self, status: str) -> dict[str, Any]:
        """Wait until the subscription has this status."""
        return await eventually(lambda: self.read("subscription"), lambda found: found["status"] == status)

    async def has_used(self, seconds: int) -> dict[str, Any]:
        """Wait until so many seconds are counted, in whatever pool."""

        def counted(usage: dict[str, Any]) -> bool:
            return bool(usage["included"]["used_seconds"] + usage["billable"]["seconds"] >= seconds)

        return await eventually(lambda: self.read("usage"), counted)


async def eventually(
    look: Callable[[], Awaitable[dict[str, Any]]], is_so: Callable[[dict[str, Any]], bool], seconds: float = 10
) -> dict[str, Any]:
    """Look until it is so; fails with what was seen last."""
    for _ in range(int(seconds / 0.05)):
        found = await look()
        if is_so(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {found}")


@pytest.fixture(autouse=True)
def prompt_clockwork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_SUBSCRIPTIONS_WATCH_SECONDS", "0.1")


@pytest.fixture
async def world(
    prompt_clockwork: None, ringfence: Hosted, platform: httpx.AsyncClient, settings: Settings
) -> AsyncIterator[World]:
    """The running system; after each test its books are audited."""
    async with AsyncExitStack() as stack:
        yield World(ringfence.url, platform, settings.postgres_url, stack)
        assert (await audit_books(settings.postgres_url)).findings == ()


@pytest.fixture
async def agency(world: World) -> Agency:
    return await world.agency()
