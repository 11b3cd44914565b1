"""Contract §4: accounts are opened, read, changed, suspended and adjusted with the platform key."""

import httpx
import pytest

from shared.runtime import Hosted
from tests.conftest import HostServices
from tests.services.ledger_api.conftest import ClientOf, OpenAccount, error_of, paths_of, until


async def test_a_new_account_has_a_key_and_the_signup_credit_as_its_first_transaction(
    open_account: OpenAccount, client_of: ClientOf
) -> None:
    """«→ 201 with an `api_key`, and the sign-up credit (setting, default $10.00 [C] …) as first transaction»."""
    opened = await open_account(id="acme", name="Acme", email="billing@acme.example")

    assert (opened["id"], opened["name"], opened["email"]) == ("acme", "Acme", "billing@acme.example")
    assert (opened["balance_cents"], opened["balance_usd"], opened["balance_micros"]) == (1_000, "10.00", 10_000_000)
    own = await client_of(opened["api_key"])
    transactions = (await own.get("/v1/billing/transactions")).json()
    assert [(entry["kind"], entry["reason"], entry["amount_cents"]) for entry in transactions] == [
        ("credit", "signup_credit", 1_000)
    ]


async def test_the_signup_credit_is_a_setting(
    host_services: HostServices, monkeypatch: pytest.MonkeyPatch, ringfence: Hosted
) -> None:
    """«the sign-up credit (setting, default $10.00 [C])»; `RINGFENCE_AUTO_CHARGE=on` gives new accounts both."""
    monkeypatch.setenv("RINGFENCE_SIGNUP_CREDIT_CENTS", "0")
    monkeypatch.setenv("RINGFENCE_AUTO_CHARGE", "on")
    other = await host_services()
    headers = {"Authorization": f"Bearer {other.host.settings.platform_key}"}
    async with httpx.AsyncClient(base_url=other.url, headers=headers) as platform:
        account = (await platform.post("/v1/accounts", json={"name": "Saperly's"})).json()
    assert account["balance_cents"] == 0
    assert (account["auto_charge"], account["settle_negative"]) == (True, True)


async def test_opening_an_account_is_told(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«`account_opened/suspended/reinstated`» are events."""
    await open_account(id="acme")

    async def news() -> bool:
        events = (await platform.get("/v1/accounts/acme/events")).json()["data"]
        return [event["type"] for event in events] == ["balance_changed", "account_opened"]

    await until(news)


async def test_an_existing_id_is_refused(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«existing id → 409 `account_exists`»."""
    await open_account(id="acme")
    again = await platform.post("/v1/accounts", json={"id": "acme", "name": "Other"})
    assert error_of(again) == (409, "account_exists")
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000


async def test_clients_of_an_agency_get_no_signup_credit(open_account: OpenAccount) -> None:
    """«none for clients of an agency»."""
    agency = await open_account(id="agency", agency=True)
    client = await open_account(id="client", parent_id="agency")
    assert (agency["agency"], agency["balance_cents"]) == (True, 1_000)
    assert (client["agency"], client["parent_id"], client["balance_cents"]) == (False, "agency", 0)


async def test_a_parent_must_be_an_agency(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme")
    for parent_id in ("nobody", "acme"):
        refused = await platform.post("/v1/accounts", json={"name": "Client", "parent_id": parent_id})
        assert paths_of(refused) == ["parent_id"]


async def test_accounts_are_in_usd(platform: httpx.AsyncClient) -> None:
    """«Accounts are in `usd` (another `currency` → 422 `currency_not_supported`)»."""
    refused = await platform.post("/v1/accounts", json={"name": "Acme", "currency": "eur"})
    assert error_of(refused) == (422, "currency_not_supported")
    taken = await platform.post("/v1/accounts", json={"name": "Acme", "currency": "usd"})
    assert taken.json()["currency"] == "usd"
    path = f"/v1/accounts/{taken.json()['id']}"
    refused = await platform.patch(path, json={"currency": "eur", "name": "Other"})
    assert error_of(refused) == (422, "currency_not_supported")
    kept = await platform.patch(path, json={"currency": "usd", "name": "Acme Ltd"})
    assert (kept.json()["currency"], kept.json()["name"]) == ("usd", "Acme Ltd")


async def test_an_account_without_an_id_gets_one_of_ours(open_account: OpenAccount) -> None:
    """«Ours are prefixed and sortable.»"""
    first, second = await open_account(), await open_account()
    assert first["id"].startswith("acct_")
    assert first["id"][:15] <= second["id"][:15]


async def test_an_account_is_read_with_its_settings_and_its_balance(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«`GET` (settings, status with reason, balance_cents/_usd/_micros, held_cents, available_cents)»."""
    settings = {
        "credit_limit_cents": 500,
        "inbound_policy": "allow",
        "auto_charge": True,
        "settle_negative": True,
        "low_balance_cents": 300,
        "monthly_spend_limit_cents": 10_000,
        "max_concurrent_calls": 7,
    }
    await open_account(id="acme", email="a@b.example", signup_credit_cents=250, **settings)

    account = (await platform.get("/v1/accounts/acme")).json()

    assert account.items() >= settings.items()
    assert (account["status"], account["reason"]) == ("active", None)
    assert (account["balance_cents"], account["held_cents"], account["available_cents"]) == (250, 0, 750)
    assert "api_key" not in account


async def test_what_an_account_is_by_default(open_account: OpenAccount) -> None:
    """«credit_limit_cents? = 0», «`inbound_policy` = `reject` (default [T])», «`low_balance_cents`, default 200»."""
    account = await open_account()
    assert account["credit_limit_cents"] == 0
    assert account["inbound_policy"] == "reject"
    assert account["low_balance_cents"] == 200
    assert (account["auto_charge"], account["settle_negative"]) == (False, False)
    assert (account["monthly_spend_limit_cents"], account["max_concurrent_calls"]) == (None, None)


async def test_a_patch_changes_what_it_names_and_nothing_else(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«`PATCH /v1/accounts/{id}` (also {disabled})»."""
    before = await open_account(id="acme", monthly_spend_limit_cents=900, email="a@b.example")
    changes = {"credit_limit_cents": 5_000, "monthly_spend_limit_cents": None, "disabled": True}

    answer = await platform.patch("/v1/accounts/acme", json=changes)

    assert answer.status_code == 200
    after = answer.json()
    assert after.items() >= changes.items()
    assert (after["status"], after["available_cents"]) == ("disabled", 6_000)
    assert after["version"] > before["version"]
    untouched = ("name", "email", "inbound_policy", "low_balance_cents", "balance_micros", "max_concurrent_calls")
    assert [after[name] for name in untouched] == [before[name] for name in untouched]
    assert (await platform.get("/v1/accounts/acme")).json() == after


async def test_a_changed_limit_is_told_with_the_money_it_makes_available(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«`version` rises with every change of an account, so a reader can drop stale news.»"""
    await open_account(id="acme")
    await platform.patch("/v1/accounts/acme", json={"credit_limit_cents": 5_000})

    async def news() -> bool:
        events = (await platform.get("/v1/accounts/acme/events?type=balance_changed")).json()["data"]
        return bool(events) and events[0]["data"]["available_cents"] == 6_000

    await until(news)


async def test_accounts_are_listed_newest_first(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«Lists are newest first: `{"data": […], "total", "limit", "offset"}`»."""
    for place in range(5):
        await open_account(id=f"account-{place}")
    page = (await platform.get("/v1/accounts?limit=2&offset=1")).json()
    assert [account["id"] for account in page["data"]] == ["account-3", "account-2"]
    assert (page["total"], page["limit"], page["offset"]) == (5, 2, 1)


async def test_a_page_has_limits(platform: httpx.AsyncClient) -> None:
    for query in ("limit=0", "limit=201", "limit=many", "offset=-1", "offset=99999999999999999999"):
        assert paths_of(await platform.get(f"/v1/accounts?{query}")) == [query.partition("=")[0]]


async def test_an_account_is_suspended_with_a_reason_and_reinstated(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«`POST …/suspend` {reason}, `…/reinstate`»; both are told."""
    await open_account(id="acme")
    suspended = await platform.post("/v1/accounts/acme/suspend", json={"reason": "fraud review"})
    assert suspended.status_code == 200
    assert (suspended.json()["status"], suspended.json()["reason"]) == ("suspended", "fraud review")
    reinstated = await platform.post("/v1/accounts/acme/reinstate")
    assert (reinstated.json()["status"], reinstated.json()["reason"]) == ("active", None)
    again = await platform.post("/v1/accounts/acme/reinstate", json={})
    assert again.json()["version"] == reinstated.json()["version"]
    for event_type in ("account_suspended", "account_reinstated"):
        events = (await platform.get(f"/v1/accounts/acme/events?type={event_type}")).json()
        assert events["total"] == 1
    assert paths_of(await platform.post("/v1/accounts/acme/suspend", json={})) == ["reason"]


async def test_an_adjustment_is_a_transaction(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«`…/adjustments` {amount_cents, description} → 201 transaction»."""
    await open_account(id="acme")
    given = await platform.post("/v1/accounts/acme/adjustments", json={"amount_cents": 250, "description": "Goodwill"})
    taken = await platform.post("/v1/accounts/acme/adjustments", json={"amount_cents": -2_000, "description": "Abuse"})
    assert (given.status_code, taken.status_code) == (201, 201)
    assert (
        given.json().items()
        >= {
            "kind": "adjustment",
            "reason": "adjustment",
            "description": "Goodwill",
            "amount_cents": 250,
            "amount_usd": "2.50",
            "amount_micros": 2_500_000,
            "balance_after_usd": "12.50",
        }.items()
    )
    assert (taken.json()["amount_usd"], taken.json()["balance_after_usd"]) == ("-20.00", "-7.50")
    account = (await platform.get("/v1/accounts/acme")).json()
    assert (account["balance_cents"], account["balance_usd"]) == (-750, "-7.50")


async def test_an_adjustment_of_nothing_or_too_much_is_refused(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    await open_account(id="acme")
    for amount_cents in (0, 10**9 + 1, -(10**9) - 1, 2**53 + 1, 2**63, 1.5, "100", True, None):
        body = {"amount_cents": amount_cents, "description": "x"}
        assert paths_of(await platform.post("/v1/accounts/acme/adjustments", json=body)) == ["amount_cents"]
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000


async def test_a_balance_stays_within_a_billion_dollars(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme", signup_credit_cents=10**9)
    body = {"amount_cents": 10**9, "description": "more"}
    for _ in range(99):
        assert (await platform.post("/v1/accounts/acme/adjustments", json=body)).status_code == 201
    refused = await platform.post("/v1/accounts/acme/adjustments", json=body)
    assert error_of(refused) == (422, "balance_out_of_range")


async def test_what_is_about_an_account_that_does_not_exist_is_not_found(platform: httpx.AsyncClient) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("POST", "/suspend", {"reason": "x"}),
        ("POST", "/reinstate", {}),
        ("POST", "/adjustments", {"amount_cents": 1, "description": "x"}),
        ("POST", "/keys", {}),
        ("GET", "/keys", None),
        ("GET", "/events", None),
        ("GET", "/prices", None),
        ("PUT", "/prices", {"items": []}),
    ):
        for account_id in ("nobody", "a%00b", "%F0%9F%98%80", "a" * 129, "'; DROP TABLE accounts; --"):
            answer = await platform.request(method, f"/v1/accounts/{account_id}{path}", json=body)
            assert error_of(answer) == (404, "not_found"), (method, path, account_id)
