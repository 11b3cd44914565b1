"""A gatekeeper on real servers, beside the ledger's tables; the books are filled by hand."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from services.gatekeeper.service import GATEKEEPER
from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY, HostServices
from tests.services.gatekeeper.books import ACCOUNT, TestBooks


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[TestBooks]:
    """The default price book is published."""
    connection = await asyncpg.connect(database_url)
    books = TestBooks(connection)
    await connection.execute("TRUNCATE ledger.price_books, ledger.api_keys")
    await books.publish_prices()
    await connection.execute(
        "INSERT INTO ledger.api_keys (key_id, kind, secret_hash, hint, created_at)"
        " VALUES ('key_1', 'platform', sha256($1), 'rf_…', now())",
        PLATFORM_KEY.encode(),
    )
    yield books
    await connection.close()


@pytest.fixture
async def hosted(host_services: HostServices, books: TestBooks) -> Hosted:
    return await host_services(GATEKEEPER)


@pytest.fixture
async def gate(hosted: Hosted) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a switch."""
    async with client_of(hosted) as client:
        yield client


def client_of(hosted: Hosted) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=hosted.url, headers={"Authorization": f"Bearer {PLATFORM_KEY}"}, timeout=10, trust_env=False
    )


@pytest.fixture
def call() -> Callable[..., dict[str, Any]]:
    """`call("c1", seconds=600)`: the body of a call check."""

    def body(call_id: Any = "c1", **fields: Any) -> dict[str, Any]:
        return {
            "account_id": ACCOUNT,
            "call_id": call_id,
            "direction": "outbound",
            "from": "+4930123456",
            "to": "+14155550100",
            **fields,
        }

    return body


@pytest.fixture
def sms() -> Callable[..., dict[str, Any]]:
    """The body of an SMS check."""

    def body(message_id: Any = "m1", **fields: Any) -> dict[str, Any]:
        return {
            "account_id": ACCOUNT,
            "message_id": message_id,
            "direction": "outbound",
            "from": "+4930123456",
            "to": "+14155550100",
            **fields,
        }

    return body


@pytest.fixture
def move_clock(hosted: Hosted) -> Callable[..., Any]:
    """`await move_clock(seconds=60)`: as the test clock does, for the hosted services."""

    async def move(*, seconds: int) -> None:
        hosted.host.clock.move_to_offset(hosted.host.clock.offset + timedelta(seconds=seconds))

    return move
