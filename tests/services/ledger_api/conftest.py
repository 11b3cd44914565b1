"""Customers of the real system, over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from shared.runtime import Hosted

OpenAccount = Callable[..., Awaitable[dict[str, Any]]]
ClientOf = Callable[[str], Awaitable[httpx.AsyncClient]]


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
