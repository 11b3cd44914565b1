"""Real things for hostile requests to be about, and what must not change under them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx

from tests.hostile.surface import Operation
from tests.usage import call_ended, envelope

AGENCYS = {"plans", "packs", "clients", "subscriptions", "payment requests"}
OF_ALL = "SELECT id, account_id, amount_micros, balance_after_micros FROM ledger.transfers ORDER BY id"

PRICE_ITEM = {
    "item": "voice",
    "tier": "gold",
    "zone": "de",
    "direction": "outbound",
    "price_usd": "0.1",
    "per": "minute",
    "increment_seconds": 1,
    "minimum_seconds": 1,
    "setup_usd": "0",
    "free_seconds": 0,
    "steps": [{"from_seconds": 60, "price_usd": "0.05", "per": "minute", "increment_seconds": 1}],
    "hours": {"days": ["mon"], "from": "08:00", "to": "18:00", "timezone": "UTC"},
    "max_usd": "1",
    "round_to_cents": True,
}
PRICE_BOOK = {"effective_at": "2199-01-01T00:00:00Z", "zones": {"de": ["49"]}, "items": [PRICE_ITEM]}


@dataclass(frozen=True)
class World:
    """`known` names what exists by the names that parameters and fields have in the specification."""

    platform: httpx.AsyncClient
    known: Mapping[str, Any]
    examples: Mapping[str, Any]
    secrets: Mapping[str, str]

    def headers(self, operation: Operation) -> dict[str, str]:
        """Whose account it is about, where the route asks that."""
        if not any(parameter.name == "Ringfence-Account" for parameter in operation.parameters):
            return {}
        return {"Ringfence-Account": "agency" if AGENCYS & set(operation.tags) else "acme"}

    def path(self, operation: Operation) -> str:
        names = {parameter.name: self.known.get(parameter.name, "x") for parameter in operation.named("path")}
        return operation.path.format(**names)


async def build_world(platform: httpx.AsyncClient) -> World:
    """Two wallets and an agency with a client, each with something of every kind."""

    async def made(path: str, body: Any, status: int = 201, headers: dict[str, str] | None = None) -> Any:
        answer = await platform.post(path, json=body, headers=headers)
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    ours = {"Ringfence-Account": "agency"}
    opened = [
        await made("/v1/accounts", {"id": account_id, "name": account_id, "agency": account_id == "agency"})
        for account_id in ("acme", "bystander", "agency")
    ]
    client = await made("/v1/clients", {"id": "client", "name": "Client"}, headers=ours)
    plan = await made("/v1/plans", {"name": "Plan", "recurring_fee_cents": 100, "minute_rate_usd": "0.1"}, headers=ours)
    pack = await made("/v1/packs", {"name": "Pack", "minutes": 10, "price_cents": 100}, headers=ours)
    await platform.put("/v1/clients/client/plan", json={"plan_id": plan["id"]})
    await platform.put("/v1/clients/client/packs", json={"pack_ids": [pack["id"]]})
    await made("/v1/clients/client/subscription", None)
    request = (await platform.get("/v1/payment-requests?client_id=client")).json()["data"][0]
    key = await made("/v1/accounts/acme/keys", {"name": "spare"})
    gift = await made("/v1/accounts/acme/adjustments", {"amount_cents": 100, "description": "gift"})
    hold = {"account_id": "acme", "call_id": "held", "direction": "outbound", "from": "+4930", "to": "+4930111"}
    await made("/v1/checks/call", hold, 200)
    rented = {"account_id": "acme", "number_id": "n1", "number": "+4930111", "at": datetime.now(UTC).isoformat()}
    await made("/v1/usage", envelope("number.rented", rented), 202)
    await _is_rented(platform)
    known = {
        "account_id": "acme",
        "client_id": "client",
        "plan_id": plan["id"],
        "pack_id": pack["id"],
        "pack_ids": [pack["id"]],
        "request_id": request["id"],
        "key_id": key["id"],
        "number_id": "n1",
        "transaction_id": gift["id"],
        "payment_method_id": "pm_card_visa",
        "kind": "call",
        "id": "held",
        "call_id": "held",
    }
    examples = {
        "PUT /v1/prices": PRICE_BOOK,
        "PUT /v1/accounts/{account_id}/prices": {"effective_at": PRICE_BOOK["effective_at"], "items": [PRICE_ITEM]},
        "POST /v1/prices/quote": {"events": [call_ended("acme", "quoted", 60)], "prices": PRICE_BOOK},
        "POST /v1/usage": call_ended("nobody", "unbilled", 60),
        "PATCH /v1/billing": {"auto_reload_enabled": False},
    }
    return World(platform, known, examples, {**{o["id"]: o["api_key"] for o in opened}, "client": client["api_key"]})


async def _is_rented(platform: httpx.AsyncClient) -> None:
    for _ in range(200):
        if (await platform.get("/v1/numbers?account_id=acme")).json()["total"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the number was never rented")


async def transfers(database_url: str) -> list[asyncpg.Record]:
    """Every movement of money there ever was."""
    connection = await asyncpg.connect(database_url)
    try:
        return list(await connection.fetch(OF_ALL))
    finally:
        await connection.close()
