"""Customers of the real system, over HTTP; when a test is over the books are audited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from shared.postgres.audit import audit_books
from shared.runtime import Hosted

OpenAccount = Callable[..., Awaitable[dict[str, Any]]]
ClientOf = Callable[[str], Awaitable[httpx.AsyncClient]]
TellUsage = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
async def books_are_clean(ringfence: Hosted, database_url: str) -> AsyncIterator[None]:
    yield
    report = await audit_books(database_url)
    assert report.findings == ()


@pytest.fixture
def open_account(platform: httpx.AsyncClient) -> OpenAccount:
    """`await open_account(id="acme")` opens an account and returns it with its key."""

    async def open_one(**fields: Any) -> dict[str, Any]:
        answer = await platform.post("/v1/accounts", json={"name": "Acme", **fields})
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened

    return open_one


@pytest.fixture
async def client_of(ringfence: Hosted) -> AsyncIterator[ClientOf]:
    """`await client_of(key)`: an HTTP client that holds this key."""
    async with AsyncExitStack() as stack:

        async def client(key: str) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {key}"}
            return await stack.enter_async_context(
                httpx.AsyncClient(base_url=ringfence.url, headers=headers, timeout=30)
            )

        yield client


@pytest.fixture
def tell_usage(platform: httpx.AsyncClient) -> TellUsage:
    """`await tell_usage("acme", event, …)`: tell it over HTTP, wait until all of it is in the account's books."""

    async def tell(account_id: str, *events: dict[str, Any]) -> None:
        before = (await platform.get(f"/v1/accounts/{account_id}")).json()["version"]
        answer = await platform.post("/v1/usage", json=list(events))
        assert (answer.status_code, answer.json()["rejected"]) == (202, [])

        async def is_posted() -> bool:
            return bool((await platform.get(f"/v1/accounts/{account_id}")).json()["version"] > before)

        await until(is_posted)

    return tell


async def until(check: Callable[[], Awaitable[Any]], *, seconds: float = 10) -> Any:
    """Wait until `check` returns something true; returns it."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = await check()
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, f"never true: {check}"
        await asyncio.sleep(0.02)


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def paths_of(answer: httpx.Response) -> list[str]:
    """The fields a 422 names."""
    assert answer.status_code == 422, answer.text
    return [field["path"] for field in answer.json()["error"]["fields"]]
