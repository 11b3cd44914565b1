"""No account reads or changes another's data (contract §0, §9, 6; failure mode 19)."""

import httpx
import pytest

from tests.services.payments.conftest import Platform

ROUTES = [
    ("GET", "/v1/billing", None),
    ("PATCH", "/v1/billing", {"auto_reload_enabled": False}),
    ("POST", "/v1/billing/top-up", {"amount_cents": 2_000}),
    ("POST", "/v1/billing/setup-intent", None),
    ("POST", "/v1/billing/setup-checkout", None),
    ("POST", "/v1/billing/default-payment-method", {"payment_method_id": "pm_card_visa"}),
    ("GET", "/v1/billing/payment-methods", None),
    ("DELETE", "/v1/billing/payment-methods/pm_1", None),
    ("GET", "/v1/billing/notice", None),
    ("GET", "/v1/billing/transactions/1/receipt", None),
    ("GET", "/v1/wallet", None),
    ("PATCH", "/v1/wallet/auto-recharge", {"enabled": False}),
    ("POST", "/v1/wallet/topup", {"amount_usd": 20}),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_a_key_reaches_its_own_account_only(platform: Platform, method: str, path: str, body: object) -> None:
    mine, other = await platform.customer("mine"), await platform.customer("other")
    foreign = {"Ringfence-Account": other.account_id}
    named = await mine.http.request(method, path, json=body, headers=foreign)
    assert (named.status_code, named.json()["error"]["code"]) == (404, "not_found")
    nowhere = await mine.http.request(method, path, json=body, headers={"Ringfence-Account": "nobody"})
    assert nowhere.json()["error"]["message"] == named.json()["error"]["message"]
    async with httpx.AsyncClient(base_url=platform.hosted.url, trust_env=False) as stranger:
        for key in (None, "Bearer rf_wrong", "Basic !!!"):
            headers = {} if key is None else {"Authorization": key}
            refused = await stranger.request(method, path, json=body, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthorized")
    unnamed = await platform.http.request(method, path, json=body)
    assert (unnamed.status_code, unnamed.json()["error"]["code"]) == (422, "account_required")
    reached = await platform.http.request(method, path, json=body, headers=foreign)
    assert reached.status_code not in (401, 403, 500)


async def test_an_agency_reaches_its_clients_only(platform: Platform) -> None:
    agency = await platform.customer("agency", agency=True)
    await platform.customer("client", parent_id=agency.account_id)
    await platform.customer("stranger")
    ours = {"Ringfence-Account": platform.name("client")}
    theirs = {"Ringfence-Account": platform.name("stranger")}
    assert (await agency.http.get("/v1/billing", headers=ours)).status_code == 200
    assert (await agency.http.get("/v1/billing", headers=theirs)).status_code == 404
    assert (await agency.http.get("/v1/billing")).status_code == 422


async def test_receipts_of_others_are_not_found(platform: Platform) -> None:
    mine, other = await platform.customer("mine"), await platform.customer("other")
    await other.top_up(2_000, payment_method_id="pm_card_visa")
    entry = (await other.transactions())[0]["id"]
    assert (await other.http.get(f"/v1/billing/transactions/{entry}/receipt")).status_code == 200
    assert (await mine.http.get(f"/v1/billing/transactions/{entry}/receipt")).status_code == 404
