"""Contract §5 and §6, transactions: the statement of an account, as JSON and as CSV."""

import asyncio
import csv
import io
from decimal import Decimal
from typing import Any

import httpx
import pytest
from call2me import Call2Me
from thunderphone.generated.api.billing import billing_transactions_list
from thunderphone.generated.client import AuthenticatedClient

from shared.runtime import Hosted
from tests.services.ledger_api.conftest import ClientOf, OpenAccount, TellUsage, paths_of, until
from tests.usage import call_ended, envelope, sms_sent

FIELDS = {
    "id",
    "kind",
    "reason",
    "description",
    "amount_cents",
    "amount_usd",
    "amount_micros",
    "balance_after_usd",
    "balance_after_micros",
    "call_id",
    "phone_number_id",
    "phone_number_value",
    "reference",
    "metadata",
    "has_receipt",
    "created_at",
}
THUNDERPHONE = {"X-ThunderPhone-Client": "python/0.2.0"}


def chat(account_id: str, chat_id: str) -> dict[str, Any]:
    return envelope("chat.message", {"account_id": account_id, "chat_id": chat_id, "message_id": f"{chat_id}-1"})


@pytest.fixture
async def own(
    platform: httpx.AsyncClient, open_account: OpenAccount, client_of: ClientOf, tell_usage: TellUsage
) -> httpx.AsyncClient:
    """A client of an account with a call, a message, a chat and an adjustment behind it, in this order."""
    opened = await open_account(id="acme")
    await tell_usage("acme", call_ended("acme", "c1", 61))
    await tell_usage("acme", sms_sent("acme", "m1", 2))
    await tell_usage("acme", chat("acme", "chat1"))
    await platform.post("/v1/accounts/acme/adjustments", json={"amount_cents": -5, "description": "=cmd|' /C calc'!A0"})
    return await client_of(opened["api_key"])


async def test_transactions_are_an_array_newest_first_with_every_field(own: httpx.AsyncClient) -> None:
    """«→ JSON array, newest first … (null where they do not apply, never left out)»."""
    entries = (await own.get("/v1/billing/transactions")).json()
    assert [entry["reason"] for entry in entries] == ["adjustment", "chat", "sms", "call", "signup_credit"]
    assert all(set(entry) == FIELDS for entry in entries)
    assert all(isinstance(entry["id"], int) for entry in entries)
    adjustment, chat_entry, sms, call, credit = entries
    assert (call["kind"], call["call_id"], call["amount_usd"]) == ("debit", "c1", "-0.36")
    assert call["description"] == "Call billing: 2 minutes × $0.18"
    assert call["reference"] == {"type": "call", "id": "c1"}
    assert sms["reference"] == {"type": "message", "id": "m1"}
    assert chat_entry["reference"] == {"type": "chat", "id": "chat1"}
    assert (sms["call_id"], sms["phone_number_id"], sms["phone_number_value"]) == (None, None, None)
    assert (credit["kind"], credit["has_receipt"], credit["metadata"]) == ("credit", False, {})
    assert (adjustment["amount_cents"], adjustment["balance_after_usd"]) == (-5, "9.56")


async def test_cents_add_up_to_the_balance(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«a transaction's `amount_cents` = floor(balance after) − floor(balance before), so the rows add up»."""
    await open_account(id="acme")
    tariff = {"item": "voice", "price_usd": "0.001234", "per": "minute", "increment_seconds": 1}
    await platform.put("/v1/accounts/acme/prices", json={"items": [tariff]})
    await tell_usage("acme", *(call_ended("acme", f"c{place}", 37) for place in range(9)))
    account = (await platform.get("/v1/accounts/acme")).json()
    entries = (await platform.get("/v1/billing/transactions", headers={"Ringfence-Account": "acme"})).json()
    assert sum(entry["amount_cents"] for entry in entries) == account["balance_cents"]
    assert sum(entry["amount_micros"] for entry in entries) == account["balance_micros"]


async def test_a_page_has_a_limit(own: httpx.AsyncClient) -> None:
    """«limit 1–200 (else 422)»."""
    assert [entry["reason"] for entry in (await own.get("/v1/billing/transactions?limit=2&offset=1")).json()] == [
        "chat",
        "sms",
    ]
    assert (await own.get("/v1/billing/transactions?limit=200")).status_code == 200
    for path in ("/v1/billing/transactions", "/v1/wallet/transactions"):
        for limit in ("0", "201", "-1", "x", "1.5", "99999999999999999999", ""):
            assert paths_of(await own.get(f"{path}?limit={limit}")) == ["limit"], limit


async def test_transactions_are_found_by_kind(own: httpx.AsyncClient) -> None:
    """«`?…&kind`»."""
    for kind, reasons in (
        ("debit", ["chat", "sms", "call"]),
        ("credit", ["signup_credit"]),
        ("adjustment", ["adjustment"]),
        ("refund", []),
    ):
        entries = (await own.get(f"/v1/billing/transactions?kind={kind}")).json()
        assert [entry["reason"] for entry in entries] == reasons, kind
    for kind in ("call_usage", "' OR 1=1 --", ""):
        assert paths_of(await own.get("/v1/billing/transactions", params={"kind": kind})) == ["kind"]


async def test_transactions_are_found_by_date(platform: httpx.AsyncClient, own: httpx.AsyncClient) -> None:
    """«start inclusive, end exclusive, a bare end date includes its day»."""
    entries = (await own.get("/v1/billing/transactions")).json()
    first, last = entries[-1]["created_at"], entries[0]["created_at"]

    async def found(**params: str) -> list[int]:
        answer = await own.get("/v1/billing/transactions", params=params)
        assert answer.status_code == 200, answer.text
        return [entry["id"] for entry in answer.json()]

    every = [entry["id"] for entry in entries]
    assert await found(start_date=first) == every
    assert await found(end_date=first) == []
    assert entries[-1]["id"] not in await found(start_date=last)
    assert entries[0]["id"] not in await found(end_date=last)
    days = (first[:10], last[:10])
    assert await found(start_date=days[0], end_date=days[1]) == every
    assert await found(start_date="2199-01-01") == []
    assert await found(start_date="2026-01-01T02:00:00+02:00") == every
    answer = await own.get("/v1/billing/transactions?start_date=2026-01-01T02:00:00+02:00")
    assert len(answer.json()) == len(every)


async def test_a_date_that_is_none_is_refused(own: httpx.AsyncClient) -> None:
    for path in ("/v1/billing/transactions", "/v1/wallet/transactions"):
        for field in ("start_date", "end_date"):
            for text in (
                "yesterday",
                "",
                "2026-02-30",
                "2026-13-01",
                "9999-12-31",
                "0001-01-01",
                "2026-01-01T00:00:00",
                "9" * 30,
                "٢٠٢٦-٠١-٠١",
                "2026-01-01'; DROP TABLE ledger.transfers; --",
            ):
                assert paths_of(await own.get(path, params={field: text})) == [field], text
            assert paths_of(await own.get(path, params={field: "\x00"})) == ["query"], "refused at the edge"


async def test_thunderphones_client_gets_kinds_in_its_words(own: httpx.AsyncClient) -> None:
    """«requests with its header `X-ThunderPhone-Client` get transaction kinds in its words …, all others the four»."""
    entries = (await own.get("/v1/billing/transactions", headers=THUNDERPHONE)).json()
    assert [entry["kind"] for entry in entries] == [
        "adjustment",
        "adjustment",
        "adjustment",
        "call_usage",
        "adjustment",
    ]
    calls = (await own.get("/v1/billing/transactions?kind=call_usage", headers=THUNDERPHONE)).json()
    assert [entry["call_id"] for entry in calls] == ["c1"]
    rest = (await own.get("/v1/billing/transactions?kind=adjustment", headers=THUNDERPHONE)).json()
    assert [entry["reason"] for entry in rest] == ["adjustment", "chat", "sms", "signup_credit"]


async def test_the_official_clients_read_the_transactions(own: httpx.AsyncClient, ringfence: Hosted) -> None:
    """«That client, unmodified, with `base_url`, works»; «as the `call2me` 1.5.2 client calls them»."""
    key = own.headers["Authorization"].removeprefix("Bearer ")
    thunderphone = AuthenticatedClient(base_url=ringfence.url, token=key, headers=THUNDERPHONE)
    listed = await billing_transactions_list.asyncio(client=thunderphone)
    assert listed is not None
    assert [str(entry.kind) for entry in listed][3] == "call_usage"
    await thunderphone.get_async_httpx_client().aclose()

    def ask() -> tuple[Any, Any, Any, Any]:
        with Call2Me(key, base_url=ringfence.url) as client:
            wallet = client.wallet
            return wallet.transactions(limit=3), wallet.balance(), wallet.pricing(), wallet.analytics(days=7)

    transactions, balance, pricing, analytics = await asyncio.to_thread(ask)
    assert [entry["chat_id"] for entry in transactions] == [None, "chat1", None]
    assert [entry["message_id"] for entry in transactions] == [None, None, "m1"]
    assert [entry["amount_usd"] for entry in transactions] == [-0.05, -0.01, -0.02]
    assert balance == {"balance_usd": 9.56, "held_usd": 0.0, "available_usd": 9.56, "currency": "USD"}
    assert pricing["rates"]["voice_usd"] == 0.1
    assert analytics["total_spent_usd"] == 0.39
    assert analytics["by_reason"]["call"] == {"count": 1, "amount_usd": -0.36}
    assert len(analytics["daily"]) == 7


async def test_fm28_csv_adds_up_to_the_balance(own: httpx.AsyncClient, platform: httpx.AsyncClient) -> None:
    """«`Accept: text/csv`: the same as CSV, amounts with six decimals that add up to the balance»."""
    answer = await own.get("/v1/billing/transactions", headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    entries = (await own.get("/v1/billing/transactions")).json()
    assert [row["id"] for row in rows] == [str(entry["id"]) for entry in entries]
    assert all(len(row["amount_usd"].partition(".")[2]) == 6 for row in rows)
    balance_micros = (await platform.get("/v1/accounts/acme")).json()["balance_micros"]
    assert sum(Decimal(row["amount_usd"]) for row in rows) * 1_000_000 == balance_micros
    assert Decimal(rows[0]["balance_after_usd"]) * 1_000_000 == balance_micros
    assert rows[3]["call_id"] == "c1"


async def test_csv_holds_no_formula(own: httpx.AsyncClient) -> None:
    """A text that a spreadsheet would run is marked as text; a negative amount stays a number."""
    answer = await own.get("/v1/billing/transactions", headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[0]["description"] == "'=cmd|' /C calc'!A0"
    assert rows[0]["amount_usd"] == "-0.050000"


async def test_csv_is_complete_without_a_limit(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """More rows than one query reads, many with one timestamp: none is skipped, none comes twice."""
    await open_account(id="acme", signup_credit_cents=100_000)
    for start in range(0, 2_400, 800):
        await tell_usage("acme", *(sms_sent("acme", f"m{place}") for place in range(start, start + 800)))
    headers = {"Ringfence-Account": "acme"}

    async def rows(query: str = "") -> list[dict[str, str]]:
        answer = await platform.get(f"/v1/billing/transactions{query}", headers={**headers, "Accept": "text/csv"})
        return list(csv.DictReader(io.StringIO(answer.text)))

    async def complete() -> bool:
        return len(await rows()) == 2_401

    await until(complete)
    every = await rows()
    assert len({row["reference_id"] for row in every}) == 2_401
    assert len(await rows("?limit=7&offset=3")) == 7
    pages = [
        entry["id"]
        for offset in range(0, 2_401, 200)
        for entry in (await platform.get(f"/v1/billing/transactions?limit=200&offset={offset}", headers=headers)).json()
    ]
    assert pages == [int(row["id"]) for row in every]


async def test_the_wallet_shows_what_is_there_to_the_micro(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """§0: «`*_usd` (…; in the wallet API and in refusals a JSON number, up to six decimals)»."""
    await open_account(id="exact")
    items = [{"item": "sms", "price_usd": "0.007501", "per": "segment"}]
    assert (await platform.put("/v1/accounts/exact/prices", json={"items": items})).status_code == 200
    await tell_usage("exact", sms_sent("exact", "m1", 1))
    exact = {"Ringfence-Account": "exact"}
    assert (await platform.get("/v1/wallet/balance", headers=exact)).json() == {
        "balance_usd": 9.992499,
        "held_usd": 0,
        "available_usd": 9.992499,
        "currency": "USD",
    }
    assert (await platform.get("/v1/wallet", headers=exact)).json()["balance_usd"] == 9.992499
    assert (await platform.get("/v1/billing", headers=exact)).json()["balance_usd"] == "9.99", "elsewhere whole cents"
