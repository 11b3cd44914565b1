"""Top-ups by hand (contract §5, POST /v1/billing/top-up; §0, Idempotency)."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.services.payments.conftest import Customer, Platform, eventually


@pytest.fixture
async def customer(platform: Platform) -> Customer:
    return await platform.customer()


async def test_a_top_up_is_credited_before_it_is_answered(platform: Platform, customer: Customer) -> None:
    """§5: "`succeeded` → the balance is already credited when the answer arrives"."""
    await customer.save_card()
    answer = await customer.top_up(2_000)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert set(body) == {"payment_intent_id", "status", "client_secret"}
    assert body["status"] == "succeeded"
    assert await customer.balance() == 2_000
    newest = (await customer.transactions())[0]
    assert (newest["kind"], newest["reason"], newest["amount_cents"]) == ("credit", "topup", 2_000)
    assert newest["has_receipt"] is True
    receipt = await customer.http.get(f"/v1/billing/transactions/{newest['id']}/receipt")
    assert receipt.json()["receipt_url"].startswith("http")
    account = await customer.billing()
    assert account["has_ever_topped_up"] is True
    assert account["last_top_up"]["kind"] == "manual"
    assert account["last_manual_topup_intent_id"] == body["payment_intent_id"]


@pytest.mark.parametrize("amount", [499, 0, -2_000, 1_000_001, 2**53 + 1, 10**30])
async def test_an_amount_outside_the_limits_is_refused(platform: Platform, customer: Customer, amount: int) -> None:
    """§5: "400 `invalid_amount` (below $5.00 or above $10,000.00; settings)"."""
    answer = await customer.top_up(amount)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_amount")
    assert await platform.charges() == []


@pytest.mark.parametrize("amount", [True, "2000", 20.5, None])
async def test_what_is_no_amount_is_not_valid(customer: Customer, amount: object) -> None:
    answer = await customer.http.post("/v1/billing/top-up", json={"amount_cents": amount})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


async def test_accounts_are_in_dollars(customer: Customer) -> None:
    """§0: "another `currency` → 422 `currency_not_supported`"."""
    for path, amount in (("billing/top-up", {"amount_cents": 2_000}), ("wallet/topup", {"amount_usd": 20})):
        answer = await customer.http.post(f"/v1/{path}", json={**amount, "currency": "eur"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "currency_not_supported")


async def test_without_a_card_one_is_required(customer: Customer) -> None:
    """§5: "422 `payment_method_required` (none given, none stored)"."""
    answer = await customer.top_up(2_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "payment_method_required")


async def test_unknown_and_foreign_cards_are_not_found(platform: Platform, customer: Customer) -> None:
    """§5: "404 `payment_method_not_found` (unknown, or another customer's)"."""
    other = await platform.customer("acct_2")
    theirs = await other.save_card()
    for card in ("pm_nobody", theirs, "../customers", "pm card", "x" * 255):
        answer = await customer.top_up(2_000, payment_method_id=card)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_method_not_found"), card
    assert await platform.charges() == []


async def test_a_card_that_was_removed_is_not_found(customer: Customer) -> None:
    """§5: "404 `payment_method_not_found`", not 502: trying again would never help."""
    removed = await customer.save_card()
    assert (await customer.http.delete(f"/v1/billing/payment-methods/{removed}")).status_code == 204
    for path, amount in (("billing/top-up", {"amount_cents": 2_000}), ("wallet/topup", {"amount_usd": 20})):
        answer = await customer.http.post(f"/v1/{path}", json={**amount, "payment_method_id": removed})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "payment_method_not_found"), path


async def test_a_card_that_is_nobodys_is_used_once(customer: Customer) -> None:
    """§5: "a method that is nobody's yet is attached; in a top-up it is used once"."""
    answer = await customer.top_up(2_000, payment_method_id="pm_card_visa")
    assert answer.status_code == 201
    listed = await customer.http.get("/v1/billing/payment-methods")
    assert listed.json() == {"payment_methods": []}
    assert (await customer.billing())["has_payment_method"] is False


async def test_a_declined_card_is_told_with_its_reason(platform: Platform, customer: Customer) -> None:
    """§5: "402 `card_declined` (with `decline_code`)"."""
    answer = await customer.top_up(2_000, payment_method_id="pm_card_visa_chargeDeclinedInsufficientFunds")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["decline_code"]) == (402, "card_declined", "insufficient_funds")
    stolen = await customer.top_up(2_000, payment_method_id="pm_card_visa_chargeDeclinedStolenCard")
    assert stolen.json()["error"]["decline_code"] == "generic_decline"
    assert await customer.balance() == 0
    assert (await customer.billing())["last_manual_topup_error"]
    assert len(await platform.events("charge_failed")) == 2


async def test_a_payment_that_needs_3d_secure_is_credited_by_the_webhook(
    platform: Platform, customer: Customer
) -> None:
    """§5: "`requires_action` → credited by the webhook"."""
    answer = await customer.top_up(2_000, payment_method_id="pm_card_authenticationRequired")
    body = answer.json()
    assert (answer.status_code, body["status"]) == (201, "requires_action")
    assert body["client_secret"].startswith(body["payment_intent_id"])
    assert await customer.balance() == 0
    await platform.sim.authenticate(body["payment_intent_id"])
    await eventually(lambda: _has(customer, 2_000))
    assert [e["type"] for e in await platform.events("charge_requires_action")] == ["charge_requires_action"]


async def test_the_same_key_gives_the_first_answer_again(platform: Platform, customer: Customer) -> None:
    """§0: "Same key and body → the first answer again with `Idempotency-Replayed: true`"."""
    await customer.save_card()
    first = await customer.top_up(2_000, key="one")
    again = await customer.top_up(2_000, key="one")
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    in_body = await customer.http.post("/v1/billing/top-up", json={"amount_cents": 2_000, "idempotency_key": "one"})
    assert in_body.json() == first.json()
    await platform.advance(40 * 24 * 3600)
    much_later = await customer.top_up(2_000, key="one")
    assert much_later.json() == first.json(), "what moved stays unique for ever"
    assert await customer.balance() == 2_000


async def test_a_refusal_is_the_first_answer_until_what_was_missing_is_there(platform: Platform) -> None:
    """§0: "Same key and body → the first answer again with `Idempotency-Replayed: true`; another body → 409"."""
    customer = await platform.customer("keyless")

    async def asked(amount: int, key: str, **body: Any) -> tuple[int, str | None, bool]:
        answer = await customer.top_up(amount, key=key, **body)
        code = answer.json().get("error", {}).get("code")
        return answer.status_code, code, "idempotency-replayed" in answer.headers

    unknown = {"payment_method_id": "pm_unknown"}
    for key, amount, body, refusal in (
        ("low", 100, {}, (400, "invalid_amount")),
        ("lost", 2_000, unknown, (404, "payment_method_not_found")),
        ("none", 2_000, {}, (422, "payment_method_required")),
    ):
        assert await asked(amount, key, **body) == (*refusal, False)
        assert await asked(amount, key, **body) == (*refusal, True)
        assert await asked(3_000, key) == (409, "idempotency_key_reused", False)
    await customer.save_card()
    assert await asked(2_000, "none") == (201, None, False), "the customer is not kept from paying"
    assert await asked(2_000, "none") == (201, None, True)
    assert await asked(100, "none") == (409, "idempotency_key_reused", False)
    assert await customer.balance() == 2_000


async def test_a_key_used_for_another_body_is_refused(customer: Customer) -> None:
    """§0: "another body → 409 `idempotency_key_reused`"; "both and different → 422"."""
    await customer.save_card()
    await customer.top_up(2_000, key="one")
    answer = await customer.top_up(3_000, key="one")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_reused")
    both = await customer.top_up(2_000, key="one", idempotency_key="two")
    assert both.status_code == 422
    wallet = await customer.http.post("/v1/wallet/topup", json={"amount_usd": 30}, headers={"Idempotency-Key": "one"})
    assert wallet.status_code == 201, "keys are per route"


async def test_fm10_a_decline_is_never_replayed(platform: Platform, customer: Customer) -> None:
    """§0: "same key after a decline = a new attempt (the declined PaymentIntent canceled first)"."""
    await customer.save_card("chargeCustomerFail")
    card = (await customer.http.get("/v1/billing/payment-methods")).json()["payment_methods"][0]["id"]
    declined = await customer.top_up(2_000, key="one")
    assert declined.status_code == 402
    await platform.sim.set_card(card, "visa")
    answer = await customer.top_up(2_000, key="one")
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers
    statuses = [intent["status"] for intent in await platform.intents()]
    assert statuses == ["canceled", "succeeded"]
    assert await customer.balance() == 2_000


async def test_a_key_of_a_payment_that_waits_gives_that_payment(platform: Platform, customer: Customer) -> None:
    """§0: "after `requires_action` … the same PaymentIntent with its present status"."""
    body = {"payment_method_id": "pm_card_authenticationRequired"}
    first = (await customer.top_up(2_000, key="one", **body)).json()
    again = (await customer.top_up(2_000, key="one", **body)).json()
    assert again == first
    await platform.sim.webhook_fault("drop")
    await platform.sim.authenticate(first["payment_intent_id"])
    done = await customer.top_up(2_000, key="one", **body)
    assert (done.status_code, done.json()["status"]) == (201, "succeeded")
    assert done.json()["payment_intent_id"] == first["payment_intent_id"]
    assert await customer.balance() == 2_000


async def test_a_failed_3d_secure_keeps_the_payment_for_another_card(platform: Platform, customer: Customer) -> None:
    body = {"payment_method_id": "pm_card_authenticationRequired"}
    first = (await customer.top_up(2_000, key="one", **body)).json()
    await platform.sim.authenticate(first["payment_intent_id"], "fail")
    again = await customer.top_up(2_000, key="one", **body)
    assert again.status_code == 201
    assert again.json()["payment_intent_id"] == first["payment_intent_id"]
    assert again.json()["status"] == "requires_payment_method"


async def test_a_lost_answer_is_adopted_by_a_retry_without_a_key(platform: Platform, customer: Customer) -> None:
    """§5: "safe to retry even without a key: the retry adopts the unacknowledged attempt"."""
    await customer.save_card()
    await platform.sim.webhook_fault("drop")
    await platform.sim.fault("^/v1/payment_intents$", when="after", action="reset", times=2)
    lost = await customer.top_up(2_000)
    assert (lost.status_code, lost.json()["error"]["code"]) == (502, "provider_unavailable")
    retry = await customer.top_up(2_000)
    assert retry.status_code == 201
    assert len(await platform.charges("succeeded")) == 1
    assert await customer.balance() == 2_000
    third = await customer.top_up(2_000)
    assert third.json()["payment_intent_id"] != retry.json()["payment_intent_id"], "answered once, it is done"


async def test_fm06_a_lost_answer_goes_on_under_its_key(platform: Platform, customer: Customer) -> None:
    """§0: "after 5xx the same attempt goes on"."""
    await customer.save_card()
    await platform.sim.webhook_fault("drop")
    await platform.sim.fault("^/v1/payment_intents$", when="after", action="reset", times=2)
    assert (await customer.top_up(2_000, key="one")).status_code == 502
    retry = await customer.top_up(2_000, key="one")
    assert retry.status_code == 201
    assert "idempotency-replayed" not in retry.headers
    assert len(await platform.charges("succeeded")) == 1


async def test_a_running_request_is_in_progress(platform: Platform, customer: Customer) -> None:
    """§0: "still running → 409 `request_in_progress`"."""
    await customer.save_card()
    await platform.sim.fault("^/v1/payment_intents$", when="before", action="latency", seconds=1.0)
    slow = asyncio.create_task(customer.top_up(2_000, key="one"))
    await asyncio.sleep(0.4)
    second = await customer.top_up(2_000, key="one")
    assert (second.status_code, second.json()["error"]["code"]) == (409, "request_in_progress")
    assert (await slow).status_code == 201
    assert await customer.balance() == 2_000


async def test_fm05_the_same_top_up_posted_twenty_times_at_once_is_one(platform: Platform, customer: Customer) -> None:
    """Failure mode 5, without keys: those who come while it runs get its answer."""
    await customer.save_card()
    await platform.sim.fault("^/v1/payment_intents$", when="before", action="latency", seconds=2)
    answers = await asyncio.gather(*(customer.top_up(2_000) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["payment_intent_id"] for answer in answers}) == 1
    assert await customer.balance() == 2_000


async def test_twenty_retries_of_a_key_at_once_are_one(platform: Platform, customer: Customer) -> None:
    await customer.save_card()
    answers = await asyncio.gather(*(customer.top_up(2_000, key="one") for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert 201 in {answer.status_code for answer in answers}
    assert await customer.balance() == 2_000


async def test_somebody_who_tries_card_after_card_is_slowed_down(platform: Platform, customer: Customer) -> None:
    for _ in range(30):
        declined = await customer.top_up(500, payment_method_id="pm_card_visa_chargeDeclined")
        assert declined.status_code == 402
    answer = await customer.top_up(500, payment_method_id="pm_card_visa")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0


async def _has(customer: Customer, cents: int) -> bool:
    return await customer.balance() == cents


async def test_a_caller_that_was_cut_off_gets_the_answer_by_trying_again(
    platform: Platform, customer: Customer
) -> None:
    """payments.md §4.3: "the caller's disconnect must not cancel"; the answer nobody got is adopted."""
    await customer.save_card()
    await platform.sim.fault("^/v1/payment_intents$", action="latency", seconds=0.8)
    with pytest.raises(httpx.ReadTimeout):
        await customer.http.post("/v1/billing/top-up", json={"amount_cents": 2_000}, timeout=0.3)
    await eventually(lambda: _has(customer, 2_000))
    await asyncio.sleep(0.2)
    again = await customer.top_up(2_000)
    assert again.status_code == 201
    assert await customer.balance() == 2_000
