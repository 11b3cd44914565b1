"""What `/openapi.json` says of the ledger's answers is what they are: every model here forbids unknown fields."""

from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import TypeAdapter

from shared.contracts import ledger_api_v1 as described
from shared.runtime import Hosted
from tests.services.ledger_api.conftest import OpenAccount, TellUsage
from tests.usage import call_ended, envelope, sms_sent

OWN = {"Ringfence-Account": "acme"}


def holds(kind: Any, answer: httpx.Response, status: int = 200) -> Any:
    """The answer is as it is described; returns it."""
    assert answer.status_code == status, answer.text
    TypeAdapter(kind).validate_json(answer.content)
    return answer.json()


async def test_every_answer_is_as_it_is_described(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    created = await platform.post("/v1/accounts", json={"id": 7, "name": "Acme"})
    holds(described.OpenedAccount, created, 201)
    await open_account(id="acme")
    rented = {"account_id": "acme", "number_id": "n1", "number": "+4930111", "at": datetime.now(UTC).isoformat()}
    call = call_ended("acme", "c1", 61)
    await tell_usage("acme", call)
    taken = await platform.post("/v1/usage", json=[envelope("number.rented", rented), 7])
    holds(described.UsageTaken, taken, 202)
    await tell_usage("acme", sms_sent("acme", "m1"))

    holds(described.Account, await platform.patch("/v1/accounts/acme", json={"email": "a@b.example"}))
    holds(described.Account, await platform.post("/v1/accounts/acme/suspend", json={"reason": "x"}))
    holds(described.Account, await platform.get("/v1/accounts/acme"))
    holds(described.Account, await platform.post("/v1/accounts/acme/reinstate"))
    holds(described.Page[described.Account], await platform.get("/v1/accounts"))
    holds(described.NewKey, await platform.post("/v1/accounts/acme/keys", json={}), 201)
    holds(described.Page[described.Key], await platform.get("/v1/accounts/acme/keys"))
    holds(described.Page[described.AccountEvent], await platform.get("/v1/accounts/acme/events"))
    adjustment = {"amount_cents": 1, "description": "x"}
    holds(described.Transaction, await platform.post("/v1/accounts/acme/adjustments", json=adjustment), 201)
    entries = holds(list[described.Transaction], await platform.get("/v1/billing/transactions", headers=OWN))
    debit = next(entry["id"] for entry in entries if entry["kind"] == "debit")
    wanted = {"reason": "x", "to": "wallet"}
    holds(described.Transaction, await platform.post(f"/v1/transactions/{debit}/refund", json=wanted), 201)
    holds(described.AccountPrices, await platform.get("/v1/accounts/acme/prices"))
    holds(described.AccountPrices, await platform.put("/v1/accounts/acme/prices", json={"items": []}))
    holds(described.PublishedBook, await platform.put("/v1/prices", json={"items": []}))
    holds(described.PublishedBook, await platform.get("/v1/prices?version=1"))
    holds(described.Quote, await platform.post("/v1/prices/quote", json={"events": [call, 7]}))
    holds(described.Page[described.Number], await platform.get("/v1/numbers"))
    holds(described.Number, await platform.post("/v1/numbers/n1/suspend"))
    holds(list[described.WalletTransaction], await platform.get("/v1/wallet/transactions", headers=OWN))
    holds(described.WalletBalance, await platform.get("/v1/wallet/balance", headers=OWN))
    holds(described.WalletPricing, await platform.get("/v1/wallet/pricing?", headers=OWN))
    holds(described.WalletAnalytics, await platform.get("/v1/wallet/analytics", headers=OWN))
    holds(described.ClockMoved, await platform.post("/v1/test/clock", json={"advance_seconds": 1}))
    holds(described.Refusal, await platform.get("/v1/accounts/nobody"), 404)


async def test_every_route_describes_its_answer(ringfence: Hosted) -> None:
    app = FastAPI()
    for router in ringfence.running["ledger"].routers:
        app.include_router(router)
    for path, operations in app.openapi()["paths"].items():
        for method, operation in operations.items():
            success = next(status for status in operation["responses"] if status.startswith("2"))
            described_by = operation["responses"][success].get("content", {})
            assert success == "204" or described_by["application/json"]["schema"], (method, path)
            assert "4XX" in operation["responses"], (method, path)
