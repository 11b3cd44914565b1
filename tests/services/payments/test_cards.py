"""Cards: saved, chosen, removed, by request, by hosted page and by webhook (contract §5)."""

import httpx
import pytest

from tests.services.payments.conftest import Customer, Platform, eventually


@pytest.fixture
async def customer(platform: Platform) -> Customer:
    return await platform.customer()


async def test_a_chosen_card_is_attached_listed_and_on_file(platform: Platform, customer: Customer) -> None:
    """§5: "a method that is nobody's yet is attached"; §0: "a default payment method is set (`has_payment_method`)"."""
    assert (await customer.billing())["has_payment_method"] is False
    chosen = {"payment_method_id": "pm_card_mastercard"}
    answer = await customer.http.post("/v1/billing/default-payment-method", json=chosen)
    assert (answer.status_code, answer.json()["has_payment_method"]) == (200, True)
    listed = (await customer.http.get("/v1/billing/payment-methods")).json()["payment_methods"]
    assert [set(card) for card in listed] == [{"id", "brand", "last4", "exp_month", "exp_year", "is_default"}]
    assert (listed[0]["brand"], listed[0]["last4"], listed[0]["is_default"]) == ("mastercard", "4444", True)
    event = (await platform.events("payment_method_attached"))[0]
    assert event["data"]["payment_method_id"] == listed[0]["id"]


async def test_what_is_nobodys_card_can_not_be_chosen(platform: Platform, customer: Customer) -> None:
    other = await platform.customer("acct_2")
    for card in (await other.save_card(), "pm_nothing", "pm/../x"):
        answer = await customer.http.post("/v1/billing/default-payment-method", json={"payment_method_id": card})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_method_not_found"), card
    declined = {"payment_method_id": "pm_card_visa_chargeDeclined"}
    answer = await customer.http.post("/v1/billing/default-payment-method", json=declined)
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "card_declined")
    assert (await customer.billing())["has_payment_method"] is False


async def test_a_setup_intent_saves_the_first_card_as_default_and_no_later_one(
    platform: Platform, customer: Customer
) -> None:
    """payments.md §4.5: "`setup_intent.succeeded` alone sets the default only if there is none"."""
    first = await _set_up(platform, customer, "pm_card_visa")
    await eventually(lambda: _default(customer))
    assert (await customer.billing())["has_payment_method"] is True
    default = await _default(customer)
    await _set_up(platform, customer, "pm_card_amex")
    await eventually(lambda: _cards(customer, 2))
    assert await _default(customer) == default
    assert set(first) == {"setup_intent_id", "client_secret", "status"}


async def test_a_hosted_page_saves_a_card_and_makes_it_the_default(platform: Platform, customer: Customer) -> None:
    """§5: "`POST /v1/billing/setup-checkout` {return_url?} → 201 {url} (Stripe-hosted Checkout, mode setup)"."""
    before = await customer.save_card("amex")
    answer = await customer.http.post("/v1/billing/setup-checkout", json={"return_url": "http://127.0.0.1/back"})
    assert answer.status_code == 201
    session = answer.json()["url"].rsplit("/", 1)[1]
    back = await platform.sim.enter_card(session)
    assert back.headers["location"] == f"http://127.0.0.1/back?session={session}"
    await eventually(lambda: _default_is_not(customer, before))
    assert (await customer.http.post("/v1/billing/setup-checkout")).status_code == 201


async def test_the_notice_leads_to_a_fresh_hosted_page(platform: Platform, customer: Customer) -> None:
    """§5: "`/billing/setup-checkout` (303 to a fresh Stripe-hosted Setup Checkout)"."""
    first = await customer.http.get("/billing/setup-checkout")
    second = await customer.http.get("/billing/setup-checkout")
    assert (first.status_code, second.status_code) == (303, 303)
    assert "/c/pay/cs_test_" in first.headers["location"]
    assert first.headers["location"] != second.headers["location"]
    async with httpx.AsyncClient(base_url=platform.hosted.url, trust_env=False) as nobody:
        away = await nobody.get("/billing/setup-checkout")
        assert (away.status_code, away.headers["location"]) == (303, "/billing")


async def test_deleting_the_default_turns_auto_reload_off(platform: Platform, customer: Customer) -> None:
    """§5: "`DELETE …/{id}` → 204 (deleting the default turns auto-reload off)"."""
    card = await customer.save_card()
    await customer.reload(0, 1_000)
    other = await platform.customer("acct_2")
    assert (await other.http.delete(f"/v1/billing/payment-methods/{card}")).status_code == 404
    assert (await customer.http.delete(f"/v1/billing/payment-methods/{card}")).status_code == 204
    account = await customer.billing()
    assert (account["has_payment_method"], account["auto_reload_enabled"]) == (False, False)
    assert (account["auto_reload_minimum_cents"], account["auto_reload_amount_cents"]) == (0, 1_000)
    assert len(await platform.events("payment_method_removed")) == 1
    assert (await customer.http.delete(f"/v1/billing/payment-methods/{card}")).status_code == 404


async def test_a_card_detached_at_stripe_is_gone_here(platform: Platform, customer: Customer) -> None:
    card = await customer.save_card()
    stripe = platform.sim._http
    await stripe.post(f"/v1/payment_methods/{card}/detach", headers={"Authorization": f"Bearer {_secret_key()}"})
    await eventually(lambda: _cards(customer, 0))
    assert (await customer.billing())["has_payment_method"] is False


async def test_consent_is_kept_with_each_saved_card(platform: Platform, customer: Customer) -> None:
    card = await customer.save_card()
    row = await platform.admin.fetchrow("SELECT * FROM payments.consents WHERE payment_method_id = $1", card)
    assert (row["account_id"], row["way"]) == (customer.account_id, "api")
    assert "at any time" in row["terms"]


async def test_stripe_out_of_reach_is_told_as_such(platform: Platform, customer: Customer) -> None:
    await platform.sim.fault(".", action="status", status=503, times=None)
    for path, body in (
        ("setup-intent", None),
        ("setup-checkout", None),
        ("default-payment-method", {"payment_method_id": "pm_card_visa"}),
    ):
        answer: httpx.Response = await customer.http.post(f"/v1/billing/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "provider_unavailable"), path


async def _set_up(platform: Platform, customer: Customer, card: str) -> dict[str, str]:
    """What Stripe.js does with the client secret."""
    made: dict[str, str] = (await customer.http.post("/v1/billing/setup-intent", json={})).json()
    confirmed = await platform.sim._http.post(
        f"/v1/setup_intents/{made['setup_intent_id']}/confirm",
        data={"payment_method": card},
        headers={"Authorization": f"Bearer {_secret_key()}"},
    )
    assert confirmed.json()["status"] == "succeeded", confirmed.text
    return made


def _secret_key() -> str:
    from deploy.local.stripe_standin.embedding import SECRET_KEY

    return SECRET_KEY


async def _listed(customer: Customer) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = (await customer.http.get("/v1/billing/payment-methods")).json()["payment_methods"]
    return listed


async def _default(customer: Customer) -> object:
    return next((card["id"] for card in await _listed(customer) if card["is_default"]), None)


async def _default_is_not(customer: Customer, card: str) -> bool:
    return await _default(customer) not in (None, card)


async def _cards(customer: Customer, count: int) -> bool:
    return len(await _listed(customer)) == count
