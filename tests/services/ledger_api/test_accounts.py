"""Contract §4: accounts are opened, read, changed, suspended and adjusted with the platform key."""

import httpx
import pytest

from tests.services.ledger_api.conftest import ClientOf, OpenAccount


async def test_a_new_account_has_a_key_and_the_signup_credit_as_its_first_transaction(
    platform: httpx.AsyncClient, open_account: OpenAccount, client_of: ClientOf
) -> None:
    """ "→ 201 with an `api_key`, and the sign-up credit (setting, default $10.00 [C] …) as first transaction" """
    opened = await open_account(id="acme", name="Acme", email="billing@acme.example")

    assert opened["id"] == "acme"
    assert opened["balance_cents"] == 1_000
    assert opened["balance_usd"] == "10.00"
    assert opened["balance_micros"] == 10_000_000
    own = await client_of(opened["api_key"])
    transactions = (await own.get("/v1/billing/transactions")).json()
    assert [(entry["kind"], entry["reason"], entry["amount_cents"]) for entry in transactions] == [
        ("credit", "signup_credit", 1_000)
    ]


async def test_an_existing_id_is_refused(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """ "existing id → 409 `account_exists`" """
    await open_account(id="acme")
    again = await platform.post("/v1/accounts", json={"id": "acme", "name": "Other"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "account_exists")


async def test_clients_of_an_agency_get_no_signup_credit(open_account: OpenAccount) -> None:
    """ "none for clients of an agency" """
    await open_account(id="agency", agency=True)
    client = await open_account(id="client", parent_id="agency")
    assert client["balance_cents"] == 0
    assert client["parent_id"] == "agency"


@pytest.mark.parametrize("parent_id", ["nobody", "acme"])
async def test_a_parent_must_be_an_agency(
    platform: httpx.AsyncClient, open_account: OpenAccount, parent_id: str
) -> None:
    await open_account(id="acme")
    refused = await platform.post("/v1/accounts", json={"name": "Client", "parent_id": parent_id})
    assert refused.status_code == 422
    assert refused.json()["error"]["fields"][0]["path"] == "parent_id"


async def test_accounts_are_in_usd(platform: httpx.AsyncClient) -> None:
    """ "Accounts are in `usd` (another `currency` → 422 `currency_not_supported`)" """
    refused = await platform.post("/v1/accounts", json={"name": "Acme", "currency": "eur"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "currency_not_supported")
    taken = await platform.post("/v1/accounts", json={"name": "Acme", "currency": "usd"})
    assert taken.json()["currency"] == "usd"


async def test_an_integer_id_is_the_same_id_as_its_decimal_string(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """ "a JSON integer and its decimal string are the same id, echoed as it was sent" """
    opened = await open_account(id=42)
    assert opened["id"] == 42
    again = await platform.post("/v1/accounts", json={"id": "42", "name": "Other"})
    assert again.json()["error"]["code"] == "account_exists"
    assert (await platform.get("/v1/accounts/42")).json()["id"] == "42"


async def test_an_account_without_an_id_gets_one_of_ours(open_account: OpenAccount) -> None:
    """ "Ours are prefixed and sortable." """
    first, second = await open_account(), await open_account()
    assert first["id"].startswith("acct_")
    assert first["id"] < second["id"]


async def test_an_account_is_read_with_its_settings_and_its_balance(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """ "`GET` (settings, status with reason, balance_cents/_usd/_micros, held_cents, available_cents)" """
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
    assert account["email"] == "a@b.example"
