"""Refunds and disputes mirrored, once each and by id (contract §4, §5; §9, 4)."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.services.payments.conftest import Customer, Platform, eventually


@pytest.fixture
async def customer(platform: Platform) -> Customer:
    customer = await platform.customer()
    await customer.save_card()
    assert (await customer.top_up(2_000)).status_code == 201
    return customer


async def refund(platform: Platform, entry_id: int, *, key: str | None = None, **body: Any) -> httpx.Response:
    wanted = {"reason": "asked for", "to": "card", **body}
    headers = {} if key is None else {"Idempotency-Key": key}
    return await platform.http.post(f"/v1/transactions/{entry_id}/refund", json=wanted, headers=headers)


async def test_a_refund_to_the_card_takes_the_money_back_once(platform: Platform, customer: Customer) -> None:
    """§4: "(never more than the original)"; §5: "a refund to the card negative"."""
    entry_id = (await customer.transactions())[0]["id"]
    part = await refund(platform, entry_id, amount_cents=500, key="one")
    assert part.status_code == 201, part.text
    body = part.json()
    assert (body["kind"], body["reason"], body["amount_cents"]) == ("refund", "refund", -500)
    again = await refund(platform, entry_id, amount_cents=500, key="one")
    assert (again.json(), again.headers["idempotency-replayed"]) == (body, "true")
    other = await refund(platform, entry_id, amount_cents=600, key="one")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    too_much = await refund(platform, entry_id, amount_cents=1_501)
    assert (too_much.status_code, too_much.json()["error"]["code"]) == (422, "refund_exceeds_original")
    assert (await refund(platform, entry_id)).json()["amount_cents"] == -1_500
    assert (await refund(platform, entry_id)).status_code == 422
    await platform.sim.idle()
    assert await customer.balance() == 0
    assert len(await platform.events("charge_refunded")) == 2


async def test_who_may_refund_and_what(platform: Platform, customer: Customer) -> None:
    entry_id = (await customer.transactions())[0]["id"]
    own = await customer.http.post(f"/v1/transactions/{entry_id}/refund", json={"reason": "x", "to": "card"})
    assert own.status_code == 403
    assert (await refund(platform, 2**62)).status_code == 404
    assert (await refund(platform, entry_id, to="wallet")).json()["error"]["code"] == "not_refundable"
    await platform.spend(customer.account_id, 100)
    debit = (await customer.transactions())[0]["id"]
    assert (await refund(platform, debit)).json()["error"]["code"] == "not_refundable"


async def test_a_refunds_key_stands_for_one_body(platform: Platform, customer: Customer) -> None:
    """§0: "another body → 409", whatever became of the first, and wherever the second would go."""
    entry = (await customer.transactions())[0]["id"]
    first = await refund(platform, entry, key="k", to="card", amount_cents=10**6)
    again = await refund(platform, entry, key="k", to="card", amount_cents=10**6)
    for answer, is_replay in ((first, False), (again, True)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "refund_exceeds_original")
        assert ("idempotency-replayed" in answer.headers) is is_replay
    for body in ({"to": "card", "amount_cents": 100}, {"to": "wallet", "amount_cents": 10**6}):
        other = await refund(platform, entry, key="k", **body)
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


async def test_twenty_refunds_at_once_never_pass_the_original(platform: Platform, customer: Customer) -> None:
    entry_id = (await customer.transactions())[0]["id"]
    answers = await asyncio.gather(*(refund(platform, entry_id, amount_cents=300) for _ in range(20)))
    assert sum(answer.status_code == 201 for answer in answers) == 6
    assert await customer.balance() == 200


async def test_a_lost_answer_to_a_refund_is_found_again(platform: Platform, customer: Customer) -> None:
    entry_id = (await customer.transactions())[0]["id"]
    await platform.sim.webhook_fault("drop")
    await platform.sim.fault("^/v1/refunds$", method="POST", when="after", action="reset", times=2)
    lost = await refund(platform, entry_id, amount_cents=500, key="one")
    assert (lost.status_code, lost.json()["error"]["code"]) == (502, "provider_unavailable")
    retry = await refund(platform, entry_id, amount_cents=500, key="one")
    assert retry.status_code == 201
    assert await customer.balance() == 1_500


async def test_a_refund_made_in_the_dashboard_is_mirrored_and_a_failed_one_comes_back(
    platform: Platform, customer: Customer
) -> None:
    """payments.md §4.6: one entry per `re_`; cumulative amounts are not read."""
    intent = (await platform.intents())[-1]["id"]
    for amount in (300, 400):
        await _stripe(platform, "/v1/refunds", payment_intent=intent, amount=amount)
    await eventually(lambda: _balance_is(customer, 1_300))
    made = await platform.sim.objects("refund")
    last = next(refund for refund in made if refund["payment_intent"] == intent and refund["amount"] == 400)
    await platform.sim.redeliver(type="charge.refunded", copies=5)
    await platform.sim.fail_refund(last["id"])
    await eventually(lambda: _balance_is(customer, 1_700))
    await platform.sim.redeliver(copies=2)
    await platform.sim.idle()
    await asyncio.sleep(0.5)
    assert await customer.balance() == 1_700
    reasons = [entry["reason"] for entry in await customer.transactions()]
    assert reasons[:3] == ["refund_failed", "refund", "refund"]


async def test_fm11_open_holds_keep_money_from_going_back_to_the_card(platform: Platform, customer: Customer) -> None:
    """Failure mode 11: holds block withdrawals too."""
    check = {"account_id": customer.account_id, "call_id": "c1", "direction": "outbound", "seconds": 600}
    granted = await platform.http.post("/v1/checks/call", json={**check, "from": "+12025550100", "to": "+12025550101"})
    assert granted.status_code == 200
    entry_id = (await customer.transactions())[0]["id"]
    answer = await refund(platform, entry_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "balance_held")


async def test_no_hold_is_granted_on_money_that_is_on_its_way_to_the_card(
    platform: Platform, customer: Customer
) -> None:
    """Failure mode 11: the money is ring-fenced before the provider is asked, and back when it refuses."""
    await platform.sim.fault("^/v1/refunds$", when="before", action="latency", seconds=1.5)
    entry_id = (await customer.transactions())[0]["id"]
    leaving = asyncio.create_task(refund(platform, entry_id))
    await eventually(lambda: _balance_is(customer, 0))
    assert not leaving.done()
    call = {"account_id": customer.account_id, "call_id": "late", "direction": "outbound", "seconds": 60}
    refused = await platform.http.post("/v1/checks/call", json={**call, "from": "+12025550100", "to": "+12025550101"})
    assert refused.status_code == 402
    assert (await leaving).status_code == 201
    assert await customer.balance() == 0


async def test_a_refund_the_provider_refuses_gives_the_money_back(platform: Platform, customer: Customer) -> None:
    await platform.sim.fault("^/v1/refunds$", method="POST", when="before", action="status", status=400)
    entry_id = (await customer.transactions())[0]["id"]
    answer = await refund(platform, entry_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_refundable")
    entries = await customer.transactions()
    assert [entry["reason"] for entry in entries] == ["refund_failed", "refund", "topup"]
    assert sum(entry["amount_cents"] for entry in entries) == await customer.balance() == 2_000
    assert await platform.events("charge_refunded") == []
    assert (await refund(platform, entry_id)).status_code == 201


async def test_a_dispute_takes_the_money_and_a_won_one_brings_it_back(platform: Platform, customer: Customer) -> None:
    """§5, reasons `dispute`, `dispute_won`; the balance may go negative, and nothing charges it back."""
    await platform.http.patch(f"/v1/accounts/{customer.account_id}", json={"settle_negative": True})
    await platform.spend(customer.account_id, 1_500)
    intent = (await platform.intents())[-1]["id"]
    dispute = await platform.sim.dispute(payment_intent=intent)
    await eventually(lambda: _balance_is(customer, -1_500))
    await platform.tick("recharge")
    await asyncio.sleep(0.4)
    assert len(await platform.charges()) == 1, "never what a dispute took"
    assert (await platform.account())["status"] == "suspended"
    await platform.sim.close_dispute(dispute["id"], "won")
    await eventually(lambda: _balance_is(customer, 500))
    for kind in ("created", "funds_withdrawn", "closed"):
        await platform.sim.redeliver(type=f"charge.dispute.{kind}", copies=3)
    await platform.sim.idle()
    await asyncio.sleep(0.3)
    assert await customer.balance() == 500
    assert (await platform.account())["status"] == "active"
    assert len(await platform.events("charge_disputed")) == 1


async def test_a_new_card_does_not_pay_what_a_dispute_took(platform: Platform, customer: Customer) -> None:
    """§5: "never what a dispute took"; and the card's reinstatement holds until the balance falls further."""
    await platform.http.patch(f"/v1/accounts/{customer.account_id}", json={"settle_negative": True})
    await platform.spend(customer.account_id, 1_800)
    intent = (await platform.intents())[-1]["id"]
    await platform.sim.dispute(payment_intent=intent)
    await eventually(lambda: _balance_is(customer, -1_800))
    await eventually(lambda: _status_is(platform, "suspended"))
    await customer.save_card("amex")
    await platform.tick("recharge")
    await asyncio.sleep(0.5)
    assert await customer.balance() == -1_800
    assert (await platform.account())["status"] == "active"
    await platform.spend(customer.account_id, 130)
    await eventually(lambda: _balance_is(customer, -1_800))
    assert [charge["amount"] for charge in await platform.charges("succeeded")] == [2_000, 130]


async def test_an_inquiry_takes_nothing_until_it_becomes_a_dispute(platform: Platform, customer: Customer) -> None:
    intent = (await platform.intents())[-1]["id"]
    inquiry = await platform.sim.dispute(payment_intent=intent, inquiry=True)
    await platform.sim.idle()
    await eventually(lambda: _disputed(platform))
    assert await customer.balance() == 2_000
    await platform.sim.dispute(escalate=inquiry["id"])
    await eventually(lambda: _balance_is(customer, 0))
    await platform.sim.close_dispute(inquiry["id"], "lost")
    await platform.sim.idle()
    assert await customer.balance() == 0


async def test_a_dispute_pauses_auto_reload(platform: Platform, customer: Customer) -> None:
    """§5: "`stopped` until the card or settings change", and said in words: who disputes has not agreed to the next."""
    await customer.reload(100, 1_000)
    intent = (await platform.intents())[-1]["id"]
    await platform.sim.dispute(payment_intent=intent)
    await eventually(lambda: _balance_is(customer, 0))
    await platform.tick("recharge")
    await asyncio.sleep(0.4)
    assert len(await platform.charges()) == 1
    account = await customer.billing()
    assert (account["auto_reload_status"], account["auto_reload_failure_code"]) == ("stopped", "dispute")
    assert account["auto_reload_last_error"].startswith("A payment was disputed")
    await customer.save_card_again()
    await eventually(lambda: _balance_is(customer, 1_000))
    account = await customer.billing()
    assert (account["auto_reload_status"], account["auto_reload_last_error"]) == ("ok", None)


async def _stripe(platform: Platform, path: str, **form: Any) -> None:
    from deploy.local.stripe_standin.embedding import SECRET_KEY

    done = await platform.sim._http.post(path, data=form, headers={"Authorization": f"Bearer {SECRET_KEY}"})
    assert done.status_code == 200, done.text


async def _balance_is(customer: Customer, cents: int) -> bool:
    return await customer.balance() == cents


async def _status_is(platform: Platform, status: str) -> bool:
    return bool((await platform.account())["status"] == status)


async def _disputed(platform: Platform) -> bool:
    return bool(await platform.events("charge_disputed"))
