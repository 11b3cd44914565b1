"""Postpaid charges, settling, suspension and coming back, the notice (contract §5, [S])."""

import asyncio

from tests.services.payments.conftest import Customer, Platform, eventually

DAY = 24 * 3600


async def test_postpaid_accounts_are_charged_below_two_dollars(platform: Platform) -> None:
    """§5: "charged when below `auto_charge_threshold` ($2.00): one charge of max($25.00, threshold − balance)"."""
    customer = await platform.customer(balance_cents=300, auto_charge=True)
    await customer.save_card()
    await platform.spend(customer.account_id, 101)
    await eventually(lambda: _balance_is(customer, 199 + 2_500))
    assert (await customer.transactions())[0]["reason"] == "auto_charge"


async def test_postpaid_waits_while_auto_reload_is_on(platform: Platform) -> None:
    """§5: "once a card is on file and while auto-reload is off"."""
    customer = await platform.customer(balance_cents=300, auto_charge=True)
    await customer.save_card()
    await customer.reload(100, 700)
    await platform.spend(customer.account_id, 150)
    await platform.tick("recharge")
    await asyncio.sleep(0.5)
    assert await customer.balance() == 150
    await platform.spend(customer.account_id, 100)
    await eventually(lambda: _balance_is(customer, 750))


async def test_settling_charges_what_is_owed_and_at_least_half_a_dollar(platform: Platform) -> None:
    """§5: "charges what is owed, at least $0.50 (the surplus is credited)"."""
    customer = await platform.customer(settle_negative=True)
    await customer.save_card()
    await platform.spend(customer.account_id, 7)
    await eventually(lambda: _balance_is(customer, 43))
    await platform.spend(customer.account_id, 343)
    await eventually(lambda: _balance_is(customer, 0))
    entries = await customer.transactions()
    assert [entry["amount_cents"] for entry in entries if entry["kind"] == "credit"] == [300, 50]
    assert entries[0]["reason"] == "settle_negative"


async def test_balance_zero_never_suspends_and_below_it_without_a_card_does(platform: Platform) -> None:
    """§5: "(no card, or none allowed → reason `balance_depleted` …)"; "Balance 0 never suspends"."""
    customer = await platform.customer(balance_cents=100)
    await platform.spend(customer.account_id, 100)
    await platform.tick("recharge")
    await asyncio.sleep(0.4)
    assert (await platform.account())["status"] == "active"
    await platform.spend(customer.account_id, 1)
    await eventually(lambda: _suspended(platform, "balance_depleted"))
    events = [event["type"] for event in reversed(await platform.events())]
    assert events.index("balance_low") < events.index("account_suspended"), "there was a warning before"


async def test_the_credit_limit_is_no_debt(platform: Platform) -> None:
    customer = await platform.customer(credit_limit_cents=500)
    await platform.spend(customer.account_id, 500)
    await platform.tick("recharge")
    await asyncio.sleep(0.4)
    assert (await platform.account())["status"] == "active"
    await platform.spend(customer.account_id, 1)
    await eventually(lambda: _suspended(platform, "balance_depleted"))


async def test_a_credit_lifts_a_billing_suspension_at_once(platform: Platform) -> None:
    """§5: "A credit that brings balance + credit limit to zero or above … reinstates billing suspensions at once"."""
    customer = await platform.customer(balance_cents=-700)
    await eventually(lambda: _suspended(platform, "balance_depleted"))
    small = await customer.top_up(500, payment_method_id="pm_card_visa")
    assert small.status_code == 201, "paying is always possible"
    assert (await platform.account())["status"] == "suspended"
    await customer.top_up(600, payment_method_id="pm_card_visa")
    assert (await platform.account())["status"] == "active"
    assert len(await platform.events("account_reinstated")) == 1


async def test_fm25_a_payment_does_not_lift_a_suspension_by_hand(platform: Platform) -> None:
    """§5: "Manual suspensions stay" (failure mode 25)."""
    customer = await platform.customer(balance_cents=-100)
    await platform.http.post(f"/v1/accounts/{customer.account_id}/suspend", json={"reason": "abuse"})
    await customer.top_up(2_000, payment_method_id="pm_card_visa")
    await customer.save_card()
    account = await platform.account()
    assert account["status"] == "suspended"


async def test_fm25_a_decline_suspends_and_a_new_card_brings_back(platform: Platform) -> None:
    """§5: "the last charge failed → `payment_failed`"; "a card update … reinstates …; what is owed is charged"."""
    customer = await platform.customer(balance_cents=300, auto_charge=True)
    await customer.save_card("chargeCustomerFail")
    await platform.spend(customer.account_id, 900)
    await eventually(lambda: _suspended(platform, "payment_failed"))
    await customer.save_card("visa")
    assert (await platform.account())["status"] == "active"
    await eventually(lambda: _balance_is(customer, -600 + 2_500))
    assert (await platform.account())["status"] == "active"


async def test_after_a_new_card_a_decline_suspends_again(platform: Platform) -> None:
    customer = await platform.customer(balance_cents=-300, settle_negative=True)
    await eventually(lambda: _suspended(platform, "balance_depleted"))
    await customer.save_card("chargeCustomerFail")
    await eventually(lambda: _suspended(platform, "payment_failed"))
    assert len(await platform.events("account_suspended")) == 2


async def test_a_new_card_settles_what_is_owed_where_nothing_else_was_allowed(platform: Platform) -> None:
    """§5: "after a card update what is owed is charged"."""
    customer = await platform.customer(balance_cents=-300)
    await eventually(lambda: _suspended(platform, "balance_depleted"))
    await customer.save_card()
    await eventually(lambda: _balance_is(customer, 0))
    assert (await platform.account())["status"] == "active"
    card = await customer.save_card_again()
    await asyncio.sleep(0.3)
    assert card
    assert len(await platform.charges()) == 1, "and again does nothing"


async def test_a_failed_reload_that_ends_below_zero_is_a_failed_payment(platform: Platform) -> None:
    customer = await platform.customer(balance_cents=1_000)
    await customer.save_card("chargeCustomerFail")
    await customer.reload(500, 1_000)
    await platform.spend(customer.account_id, 600)
    await eventually(lambda: _declined(customer))
    assert (await platform.account())["status"] == "active"
    await platform.spend(customer.account_id, 500)
    await eventually(lambda: _suspended(platform, "payment_failed"))


async def test_the_notice_without_a_card(platform: Platform) -> None:
    """§5, notice: exact words."""
    customer = await platform.customer(balance_cents=200)
    assert (await _notice(customer))["show"] is False
    await platform.spend(customer.account_id, 1)
    notice = await _notice(customer)
    assert (notice["show"], notice["variant"]) == (True, "no_card")
    assert notice["message"] == "Add a payment method to keep your number active."
    assert notice["cta"]["url"] == "/billing/setup-checkout"


async def test_the_notice_with_a_card_shows_after_blocked_usage(platform: Platform) -> None:
    """§5: "a blocked-usage signal in the last 24 h, newer than the default card"."""
    customer = await platform.customer(balance_cents=1)
    await customer.save_card()
    assert (await _notice(customer))["show"] is False
    check = {"account_id": customer.account_id, "call_id": "c1", "direction": "outbound"}
    refused = await platform.http.post("/v1/checks/call", json={**check, "from": "+12025550100", "to": "+12025550101"})
    assert refused.status_code == 402
    notice = await _notice(customer)
    assert (notice["variant"], notice["message"]) == ("charge_failed", "We couldn’t charge your card.")
    assert notice["cta"]["url"] == "/billing"
    await platform.advance(1)
    await customer.save_card("amex")
    assert (await _notice(customer))["show"] is False, "the card is newer than the signal"


async def test_a_failed_call_for_lack_of_money_is_a_signal_for_a_day(platform: Platform) -> None:
    customer = await platform.customer(balance_cents=1)
    await customer.save_card()
    now = (await platform.http.get("/v1/prices")).headers["date"]
    assert now
    instant = platform.hosted.host.clock.now().isoformat()
    data = {
        "account_id": customer.account_id,
        "call_id": "c2",
        "direction": "outbound",
        "from": "+12025550100",
        "to": "+12025550101",
        "status": "failed",
        "failure_reason": "insufficient_balance",
        "started_at": instant,
        "ended_at": instant,
        "duration_seconds": 0,
    }
    event = {"specversion": "1.0", "id": f"{customer.account_id}-c2", "source": "test", "type": "call.ended"}
    sent = await platform.http.post("/v1/usage", json={**event, "time": instant, "data": data})
    assert sent.status_code == 202, sent.text
    await eventually(lambda: _shown(customer))
    await platform.advance(DAY + 60)
    assert (await _notice(customer))["show"] is False


async def _notice(customer: Customer) -> dict[str, dict[str, str] | str | bool]:
    shown: dict[str, dict[str, str] | str | bool] = (await customer.http.get("/v1/billing/notice")).json()
    return shown


async def _shown(customer: Customer) -> bool:
    return bool((await _notice(customer))["show"])


async def _balance_is(customer: Customer, cents: int) -> bool:
    return await customer.balance() == cents


async def _declined(customer: Customer) -> bool:
    return bool((await customer.billing())["auto_reload_consecutive_declines"] == 1)


async def _suspended(platform: Platform, reason: str) -> bool:
    account = await platform.account()
    return account["status"] == "suspended" and reason in str(account)
