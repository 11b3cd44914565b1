"""The running system, accounts on it, and browsers that keep their cookies."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx
import pytest

from shared.runtime import Hosted
from shared.sessions import COOKIE

_numbers = count(1)


@dataclass
class World:
    """The running system and its platform."""

    hosted: Hosted
    platform: httpx.AsyncClient
    stack: AsyncExitStack

    @property
    def url(self) -> str:
        return self.hosted.url

    async def account(self, **fields: Any) -> dict[str, Any]:
        body = {"id": f"customer-{next(_numbers)}", "name": "Blue Door Dental", **fields}
        answer = await self.platform.post("/v1/accounts", json=body)
        assert answer.status_code == 201, answer.text
        account: dict[str, Any] = answer.json()
        return account

    async def link(self, account_id: str) -> str:
        answer = await self.platform.post(f"/v1/accounts/{account_id}/portal-sessions")
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["url"]
        return url

    async def ops_link(self, operator: str = "Olga") -> str:
        answer = await self.platform.post("/v1/ops-sessions", json={"operator": operator})
        assert answer.status_code == 201, answer.text
        url: str = answer.json()["url"]
        return url

    async def browser(self, link: str | None = None) -> httpx.AsyncClient:
        """A client with a cookie jar, signed in when it is given a link."""
        client = await self.stack.enter_async_context(httpx.AsyncClient(base_url=self.url, timeout=30))
        if link is not None:
            answer = await client.get(link)
            assert answer.status_code == 303, answer.text
        return client

    async def csrf_token(self, browser: httpx.AsyncClient) -> str:
        """The token that the browser's pages carry."""
        session = await self.hosted.host.sessions.of_cookie(browser.cookies[COOKIE])
        assert session is not None
        return session.csrf_token

    async def advance(self, seconds: int) -> None:
        answer = await self.platform.post("/v1/test/clock", json={"advance_seconds": seconds})
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def world(ringfence: Hosted, platform: httpx.AsyncClient) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(ringfence, platform, stack)


WithKey = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def with_key(world: World) -> WithKey:
    async def open_client(key: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"}
        return await world.stack.enter_async_context(httpx.AsyncClient(base_url=world.url, headers=headers, timeout=30))

    return open_client
