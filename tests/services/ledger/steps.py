"""What the tests of the ledger do and look at."""

import asyncio
from typing import Any

import asyncpg
import httpx
import orjson

from shared.messaging.messages import Message
from shared.messaging.topology import USAGE
from shared.runtime import Hosted


async def open_account(platform: httpx.AsyncClient, **fields: Any) -> str:
    answer = await platform.post("/v1/accounts", json={"name": "Ada", **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def publish(ringfence: Hosted, *events: dict[str, Any], array: bool = False) -> None:
    bodies = [orjson.dumps(events)] if array else [orjson.dumps(event) for event in events]
    problems = await ringfence.host.broker.publish_many([Message(USAGE, "any", body) for body in bodies])
    assert not any(problems)


async def until(check: Any, *, seconds: float = 10) -> Any:
    """Wait until `check` returns something true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = await check()
        if value:
            return value
        assert asyncio.get_running_loop().time() < deadline, f"never true: {check}"
        await asyncio.sleep(0.02)


async def balance_micros(books: asyncpg.Connection, account_id: str) -> int:
    value: int = await books.fetchval("SELECT balance_micros FROM ledger.accounts WHERE account_id = $1", account_id)
    return value


async def dead_letters(ringfence: Hosted) -> int:
    return await ringfence.host.broker.depth("ledger.charge_usage.dead") or 0
