"""Auto-reload (contract §5): at once, once, within the cap, backing off, giving up."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from services.payments import recharging
from services.payments.context import Context
from services.payments.hears import CONSIDER_BALANCES
from services.payments.store import Attempt
from shared.contracts.news_v1 import EVENTS_PUBLISHED
from shared.messaging.cloudevents import cloud_event
from shared.messaging.messages import Message
from shared.messaging.topology import NEWS
from tests.services.payments.conftest import Customer, Platform, eventually

HOUR = 3600
DAY = 24 * HOUR
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
async def customer(platform: Platform) -> Customer:
    customer = await platform.customer(balance_cents=2_000)
    await customer.save_card()
    return customer


async def test_it_fires_when_the_balance_drops_below_the_minimum(platform: Platform, customer: Customer) -> None:
    """§5: "fires when the posted balance … drops *below* the minimum, at once from the balance event"."""
    await customer.reload(1_000, 3_000)
    await platform.spend(customer.account_id, 1_000)
    await asyncio.sleep(0.5)
    assert await customer.balance() == 1_000, "at the minimum is not below it"
    await platform.spend(customer.account_id, 1)
    await eventually(lambda: _balance_is(customer, 999 + 3_000))
    entry = (await customer.transactions())[0]
    assert (entry["kind"], entry["reason"], entry["amount_cents"]) == ("credit", "auto_reload", 3_000)
    account = await customer.billing()
    assert account["last_auto_reload"]["amount_cents"] == 3_000
    assert account["last_top_up"]["kind"] == "auto"
    assert account["auto_reload_month_spend_cents"] == 3_000
    assert len(await platform.events("auto_reload_succeeded")) == 1
    assert len(await platform.events("charge_succeeded")) == 1


async def test_news_that_is_none_is_parked(platform: Platform) -> None:
    broker = platform.hosted.host.broker
    strange = [b"{}", b"[", cloud_event(id="n1", type="balance_changed", time=NOW, data={})]
    await broker.publish_many([Message(NEWS, EVENTS_PUBLISHED, body) for body in strange])

    async def is_parked() -> bool:
        return await broker.depth(CONSIDER_BALANCES.dead) == len(strange)

    await eventually(is_parked)


async def test_a_mistake_with_one_account_keeps_no_other_from_its_charge(
    platform: Platform, customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message names many accounts, and so does the recharge tick."""
    first = await platform.customer("first", balance_cents=2_000)
    await first.save_card()
    for each in (first, customer):
        await each.reload(1_000, 3_000)
    broken, fine = sorted((first, customer), key=lambda each: each.account_id)
    consider = recharging.consider

    async def mistaken(context: Context, account_id: str) -> Attempt | None:
        if account_id == broken.account_id:
            raise ZeroDivisionError
        return await consider(context, account_id)

    monkeypatch.setattr(recharging, "consider", mistaken)
    both = f"'{broken.account_id}', '{fine.account_id}'"
    await platform.admin.execute(
        f"UPDATE payments.profiles SET reload_minimum_cents = 2001 WHERE account_id IN ({both})"
    )
    data = {"account_ids": {"balance_changed": [broken.account_id, fine.account_id]}}
    body = cloud_event(id="n1", type=EVENTS_PUBLISHED, time=NOW, data=data)
    await platform.hosted.host.broker.publish_many([Message(NEWS, EVENTS_PUBLISHED, body)])
    await eventually(lambda: _balance_is(fine, 2_000 + 3_000))
    assert await broken.balance() == 2_000


async def test_news_that_is_tried_again_is_looked_at(platform: Platform, customer: Customer) -> None:
    """It comes back past the exchange."""
    await customer.reload(1_000, 3_000)
    raise_minimum = "UPDATE payments.profiles SET reload_minimum_cents = 2001 WHERE account_id = $1"
    await platform.admin.execute(raise_minimum, customer.account_id)
    data = {"account_ids": {"balance_changed": [customer.account_id]}}
    body = cloud_event(id="n1", type=EVENTS_PUBLISHED, time=NOW, data=data)
    await platform.hosted.host.broker.publish_many([Message("", CONSIDER_BALANCES.name, body)])
    await eventually(lambda: _balance_is(customer, 2_000 + 3_000))


async def test_fm04_one_charge_closes_the_gap(platform: Platform, customer: Customer) -> None:
    """§5: "one charge of max(amount, minimum − balance)" (failure mode 4)."""
    await customer.reload(1_000, 500)
    await platform.spend(customer.account_id, 9_000)
    await eventually(lambda: _balance_is(customer, 1_000))
    assert [charge["amount"] for charge in await platform.charges()] == [8_000]


async def test_twenty_triggers_at_once_are_one_charge(platform: Platform, customer: Customer) -> None:
    """Issue: "20 concurrent triggers → one charge"."""
    await platform.sim.fault("^/v1/payment_intents$", action="latency", seconds=0.3)
    await customer.reload(1_000, 3_000)
    spending = [platform.spend(customer.account_id, 60) for _ in range(20)]
    ticking = [platform.tick("recharge") for _ in range(20)]
    await asyncio.gather(*spending, *ticking)
    await eventually(lambda: _balance_is(customer, 2_000 - 1_200 + 3_000))
    await asyncio.sleep(0.5)
    assert len(await platform.charges()) == 1


async def test_enabling_below_the_minimum_charges_at_once(platform: Platform, customer: Customer) -> None:
    """§5: "Enabled while already below the minimum → charges at once"."""
    account = await customer.reload(5_000, 1_000)
    assert account["auto_reload_in_progress"] is True
    await eventually(lambda: _balance_is(customer, 5_000))


async def test_enabling_needs_a_card_a_minimum_and_an_amount(platform: Platform) -> None:
    """§5: "Enabling without a card on file → 422 `payment_method_required`. Enabling needs minimum … and amount …"."""
    customer = await platform.customer("acct_2")
    wanted = {"auto_reload_enabled": True, "auto_reload_minimum_cents": 100, "auto_reload_amount_cents": 500}
    answer = await customer.http.patch("/v1/billing", json=wanted)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "payment_method_required")
    await customer.save_card()
    answer = await customer.http.patch("/v1/billing", json={"auto_reload_enabled": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")
    for bad in (
        {"auto_reload_minimum_cents": -1},
        {"auto_reload_amount_cents": 0},
        {"auto_reload_monthly_limit_cents": -1},
        {"auto_reload_enabled": "yes"},
        {"auto_reload_amount_cents": 1.5},
    ):
        assert (await customer.http.patch("/v1/billing", json=bad)).status_code == 422, bad
    stored = {"auto_reload_minimum_cents": 0, "auto_reload_amount_cents": 500}
    assert (await customer.http.patch("/v1/billing", json=stored)).status_code == 200
    assert (await customer.http.patch("/v1/billing", json={"auto_reload_enabled": True})).status_code == 200
    off = await customer.http.patch("/v1/billing", json={"auto_reload_enabled": False})
    assert off.json()["auto_reload_status"] == "off"


async def test_the_cap_is_never_passed_and_counts_what_is_in_flight(platform: Platform, customer: Customer) -> None:
    """§5: "never beyond the calendar-month (UTC) cap …, what is in flight counted (`capped`, event, no charge …)"."""
    await customer.reload(1_000, 3_000, auto_reload_monthly_limit_cents=5_000)
    await platform.spend(customer.account_id, 1_500)
    await eventually(lambda: _balance_is(customer, 3_500))
    await platform.spend(customer.account_id, 3_000)
    await eventually(lambda: _status_is(customer, "capped"))
    await platform.tick("recharge")
    await asyncio.sleep(0.5)
    assert [charge["amount"] for charge in await platform.charges()] == [3_000]
    assert len(await platform.events("auto_reload_capped")) == 1
    account = await customer.billing()
    assert account["auto_reload_month_spend_cents"] == 3_000
    await _into_next_month(platform)
    await platform.tick("recharge")
    await eventually(lambda: _balance_is(customer, 3_500))


async def test_what_is_owed_is_settled_while_auto_reload_is_capped(platform: Platform) -> None:
    """§5: "`settle_negative`, where neither of these acts, charges what is owed"; the cap is on auto-reload."""
    customer = await platform.customer(balance_cents=100, settle_negative=True)
    await customer.save_card()
    await customer.reload(0, 3_000, auto_reload_monthly_limit_cents=0)
    await platform.spend(customer.account_id, 443)
    await eventually(lambda: _balance_is(customer, 0))
    assert [charge["amount"] for charge in await platform.charges()] == [343]
    assert (await customer.transactions())[0]["reason"] == "settle_negative"
    assert len(await platform.events("auto_reload_capped")) == 1
    assert (await customer.billing())["auto_reload_status"] == "capped"
    assert await platform.events("account_suspended") == []


async def test_a_capped_account_is_told_so_before_it_is_suspended(platform: Platform) -> None:
    """§5, Suspension: "Before it there was always a tried charge, or `balance_low` and the notice"."""
    customer = await platform.customer(balance_cents=100)
    await customer.save_card()
    await customer.reload(0, 3_000, auto_reload_monthly_limit_cents=0)
    await platform.spend(customer.account_id, 443)
    await eventually(lambda: platform.events("account_suspended"))
    told = [event["type"] for event in reversed(await platform.events())]
    assert told.index("balance_low") < told.index("auto_reload_capped") < told.index("account_suspended")


async def test_a_month_of_usage_at_the_cap_never_passes_it(platform: Platform, customer: Customer) -> None:
    """Issue: "A month of usage at the cap → never a cent above it"."""
    await _into_next_month(platform)
    await customer.reload(1_000, 700, auto_reload_monthly_limit_cents=2_500)
    for _ in range(12):
        await platform.spend(customer.account_id, 650)
        await platform.tick("recharge")
        await asyncio.sleep(0.15)
    await asyncio.sleep(0.5)
    charged = sum(charge["amount"] for charge in await platform.charges("succeeded"))
    assert 0 < charged <= 2_500


async def test_fm03_declines_back_off_and_after_the_fifth_it_has_stopped(
    platform: Platform, customer: Customer
) -> None:
    """Issue: "30 days of declines → five attempts"; §5: 1 h, 6 h, 24 h, 72 h (failure mode 3)."""
    card = await customer.save_card("chargeCustomerFail")
    await customer.reload(5_000, 1_000)
    await eventually(lambda: _declines_are(customer, 1))
    assert (await customer.billing())["auto_reload_status"] == "retrying"
    for attempts, wait in ((2, HOUR), (3, 6 * HOUR), (4, DAY), (5, 3 * DAY)):
        await platform.advance(wait - 60)
        await _triggers(platform, customer)
        assert len(await platform.charges()) == attempts - 1
        await platform.advance(61)
        await _triggers(platform, customer)
        await eventually(lambda attempts=attempts: _declines_are(customer, attempts))
    for _ in range(5):
        await platform.advance(5 * DAY)
        await _triggers(platform, customer)
    assert len(await platform.charges()) == 5
    account = await customer.billing()
    assert (account["auto_reload_status"], account["auto_reload_consecutive_declines"]) == ("stopped", 5)
    assert account["auto_reload_failure_code"] == "generic_decline"
    assert len(await platform.events("auto_reload_failed")) == 5
    assert len(await platform.events("auto_reload_paused")) == 1
    await platform.sim.set_card(card, "visa")
    await customer.reload(5_000, 1_100)
    await eventually(lambda: _status_is(customer, "ok"))
    await eventually(lambda: _balance_reaches(customer, 5_000))


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("chargeDeclinedLostCard", "generic_decline"),
        ("chargeDeclinedExpiredCard", "expired_card"),
        ("authenticationRequired", "authentication_required"),
    ],
)
async def test_fm03_hard_declines_and_authentication_stop_at_once(
    platform: Platform, customer: Customer, card: str, code: str
) -> None:
    """§5: "hard declines (lost_card, …) and `authentication_required` stop at once"."""
    saved = await customer.save_card("mastercard")
    await platform.sim.set_card(saved, card)
    await customer.reload(5_000, 1_000)
    await eventually(lambda: _status_is(customer, "stopped"))
    for _ in range(3):
        await platform.advance(DAY)
        await _triggers(platform, customer)
    assert len(await platform.intents()) == 1
    account = await customer.billing()
    assert account["auto_reload_failure_code"] == code
    await customer.save_card("amex")
    await eventually(lambda: _balance_reaches(customer, 5_000))


async def test_a_payment_nobody_confirmed_is_canceled_before_the_next(platform: Platform, customer: Customer) -> None:
    """Two charges for one gap can't come of it: the customer may still hold the first one's secret."""
    saved = await customer.save_card("mastercard")
    await platform.sim.set_card(saved, "authenticationRequired")
    await customer.reload(5_000, 1_000)
    await eventually(lambda: _status_is(customer, "stopped"))
    await customer.save_card("amex")
    await eventually(lambda: _balance_reaches(customer, 5_000))
    assert [intent["status"] for intent in await platform.intents()] == ["canceled", "succeeded"]


async def test_an_outage_is_no_decline_and_the_same_attempt_goes_on(platform: Platform, customer: Customer) -> None:
    """§5: "A charge whose answer was lost is resolved by its idempotency key, never by charging again"."""
    await platform.sim.webhook_fault("drop")
    await platform.sim.fault("^/v1/payment_intents$", when="after", action="status", status=502, times=2)
    await customer.reload(5_000, 1_000)
    await eventually(lambda: _state_is(platform, customer, "unknown"))
    for _ in range(3):
        await platform.tick("recharge")
    await asyncio.sleep(0.4)
    assert (await customer.billing())["auto_reload_consecutive_declines"] == 0
    await platform.advance(120)
    await platform.tick("reconcile")
    await eventually(lambda: _balance_is(customer, 5_000))
    assert len(await platform.charges()) == 1


async def test_the_old_cards_decline_is_not_counted_against_the_new_one(platform: Platform, customer: Customer) -> None:
    old = await customer.save_card("chargeCustomerFail")
    await platform.sim.fault("^/v1/payment_intents$", action="latency", seconds=0.8)
    await customer.reload(5_000, 1_000)
    await customer.save_card("amex")
    await eventually(lambda: _state_is(platform, customer, "failed"))
    assert (await customer.billing())["auto_reload_consecutive_declines"] == 0
    await platform.tick("recharge")
    await eventually(lambda: _balance_reaches(customer, 5_000))
    assert old


async def _triggers(platform: Platform, customer: Customer) -> None:
    """Everything that asks: usage, and the tick; and time to act on it."""
    await platform.spend(customer.account_id, 1)
    await platform.tick("recharge")
    await asyncio.sleep(0.4)


async def _into_next_month(platform: Platform) -> None:
    now = platform.hosted.host.clock.now()
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, 0, 1, tzinfo=UTC)
    await platform.advance((following - now).total_seconds())


async def _balance_is(customer: Customer, cents: int) -> bool:
    return await customer.balance() == cents


async def _balance_reaches(customer: Customer, cents: int) -> bool:
    return await customer.balance() >= cents


async def _status_is(customer: Customer, status: str) -> bool:
    return bool((await customer.billing())["auto_reload_status"] == status)


async def _declines_are(customer: Customer, count: int) -> bool:
    return bool((await customer.billing())["auto_reload_consecutive_declines"] == count)


async def _state_is(platform: Platform, customer: Customer, state: str) -> bool:
    query = "SELECT state FROM payments.attempts WHERE account_id = $1 ORDER BY created_at DESC LIMIT 1"
    return bool(await platform.admin.fetchval(query, customer.account_id) == state)


async def test_the_credit_follows_the_debit_without_waiting_for_a_tick(platform: Platform) -> None:
    """«at once from the balance event and again from the recharge tick»: ticks come every 60 s.

    How long it takes is measured by `make bench`; here the bound only tells the event from the tick.
    """
    customer = await platform.customer(balance_cents=1_000)
    await customer.save_card()
    await customer.reload(1_000, 1)
    seconds = []
    for _ in range(11):
        begun = time.monotonic()
        await platform.spend(customer.account_id, 1)
        await eventually(lambda: _balance_reaches(customer, 1_000))
        seconds.append(time.monotonic() - begun)
        await platform.spend(customer.account_id, await customer.balance() - 1_000)
    assert sorted(seconds)[len(seconds) // 2] < 10, seconds
