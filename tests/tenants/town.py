"""Two towns that know nothing of each other: in each a wallet, an agency and its client, with something of every kind."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx

from tests.usage import call_ended, envelope

MARK = "theirsecret"
"""In every name and id of the first town: no answer to the second may hold it."""
BODY_IDS = {"plan_id", "pack_ids", "payment_method_id", "client_id"}


@dataclass(frozen=True)
class Town:
    """`keys` by who holds them; `ids` by the names that paths, queries and bodies use."""

    keys: dict[str, str]
    accounts: dict[str, str]
    ids: dict[str, Any]

    def of(self, *, about: str) -> dict[str, Any]:
        return {**self.ids, "account_id": self.accounts[about], "client_id": self.accounts["client"]}


NOWHERE = {
    "account_id": "nobody",
    "client_id": "nobody",
    "plan_id": "plan_none",
    "pack_id": "pack_none",
    "pack_ids": ["pack_none"],
    "request_id": "preq_none",
    "payment_method_id": "pm_none",
    "transaction_id": 999_999_999,
    "key_id": "key_none",
    "number_id": "number_none",
    "call_id": "call_none",
    "id": "call_none",
    "kind": "call",
}


async def build_town(platform: httpx.AsyncClient, mark: str) -> Town:
    """A town whose every name begins with the mark."""
    accounts = {kind: f"{mark}-{kind}" for kind in ("account", "agency", "client")}
    wallet, agency, client = accounts["account"], accounts["agency"], accounts["client"]
    ours = {"Ringfence-Account": agency}

    async def made(path: str, body: Any, status: int = 201, headers: dict[str, str] | None = None) -> Any:
        answer = await platform.post(path, json=body, headers=headers)
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    keys = {
        "account": (await made("/v1/accounts", {"id": wallet, "name": wallet}))["api_key"],
        "agency": (await made("/v1/accounts", {"id": agency, "name": agency, "agency": True}))["api_key"],
        "client": (await made("/v1/clients", {"id": client, "name": client}, headers=ours))["api_key"],
    }
    plan = await made("/v1/plans", {"name": f"{mark} plan", "recurring_fee_cents": 100}, headers=ours)
    pack = await made("/v1/packs", {"name": f"{mark} pack", "minutes": 10, "price_cents": 100}, headers=ours)
    for path, body in (("plan", {"plan_id": plan["id"]}), ("packs", {"pack_ids": [pack["id"]]})):
        assert (await platform.put(f"/v1/clients/{client}/{path}", json=body)).status_code == 200
    await made(f"/v1/clients/{client}/subscription", None)
    request = (await platform.get(f"/v1/payment-requests?client_id={client}")).json()["data"][0]
    about = {"Ringfence-Account": wallet}
    await made("/v1/billing/default-payment-method", {"payment_method_id": "pm_card_visa"}, 200, headers=about)
    await made("/v1/billing/top-up", {"amount_cents": 1_000}, headers=about)
    card = (await platform.get("/v1/billing/payment-methods", headers=about)).json()["payment_methods"][0]["id"]
    credit = (await platform.get("/v1/billing/transactions?kind=credit", headers=about)).json()[0]["id"]
    key = await made(f"/v1/accounts/{wallet}/keys", {"name": f"{mark} key"})
    call = {"account_id": wallet, "call_id": f"{mark}-call", "direction": "outbound", "from": "+4930", "to": "+4930111"}
    await made("/v1/checks/call", call, 200)
    rented = {"account_id": wallet, "number_id": f"{mark}-number", "number": "+4930111", "at": _now()}
    events = [envelope("number.rented", rented), call_ended(wallet, f"{mark}-done", 60)]
    await made("/v1/usage", events, 202)
    await _is_rented(platform, wallet)
    ids = {
        "plan_id": plan["id"],
        "pack_id": pack["id"],
        "pack_ids": [pack["id"]],
        "request_id": request["id"],
        "payment_method_id": card,
        "transaction_id": credit,
        "key_id": key["id"],
        "number_id": f"{mark}-number",
        "call_id": f"{mark}-call",
        "id": f"{mark}-call",
        "kind": "call",
    }
    return Town(keys, accounts, ids)


def _now() -> str:
    return datetime.now(UTC).isoformat()


async def _is_rented(platform: httpx.AsyncClient, account_id: str) -> None:
    for _ in range(400):
        if (await platform.get(f"/v1/numbers?account_id={account_id}")).json()["total"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the number was never rented")


async def contents(
    database_url: str, schemas: tuple[str, ...] = ("ledger", "payments", "subscriptions")
) -> dict[str, str]:
    """A digest of every table: equal digests, nothing changed."""
    connection = await asyncpg.connect(database_url)
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = ANY($1)"
            " AND tablename <> ALL($2)",
            list(schemas),
            ["outbox", "news", "idempotency_keys"],
        )
        return {
            row["name"]: await connection.fetchval(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {row['name']} t"
            )
            for row in tables
        }
    finally:
        await connection.close()
