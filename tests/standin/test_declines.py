"""Every test card, charged on session and off."""

from typing import Any

import pytest
import stripe

from deploy.local.stripe_standin import RunningStandin
from deploy.local.stripe_standin.cards import CARDS, Card

DECLINING = [card for card in CARDS.values() if card.decline]
PAYING = [card for card in CARDS.values() if not card.decline and card.authentication == "never"]
ADVICE = {
    "chargeDeclined": "try_again_later",
    "chargeDeclinedInsufficientFunds": "try_again_later",
    "chargeDeclinedLostCard": "do_not_try_again",
    "chargeDeclinedStolenCard": "do_not_try_again",
    "chargeDeclinedExpiredCard": "do_not_try_again",
    "chargeDeclinedIncorrectCvc": "confirm_card_data",
    "chargeDeclinedProcessingError": "try_again_later",
    "chargeDeclinedVelocityLimitExceeded": "try_again_later",
    "chargeDeclinedFraudulent": "do_not_try_again",
}


def name_of(card: Card) -> str:
    return card.name


async def method_like(
    client: stripe.StripeClient, standin: RunningStandin, customer: str, card: Card, *, set_up: bool = False
) -> str:
    """A good card of the customer's that turned into `card`."""
    method = await client.v1.payment_methods.attach_async("pm_card_visa", params={"customer": customer})
    await standin.sim.set_card(method.id, card.name, set_up=set_up)
    return method.id


async def pay(client: stripe.StripeClient, **more: Any) -> stripe.PaymentIntent:
    params: Any = {"amount": 500, "currency": "usd", "payment_method_types": ["card"], "confirm": True, **more}
    return await client.v1.payment_intents.create_async(params=params)


@pytest.mark.parametrize("card", PAYING, ids=name_of)
async def test_a_good_card_pays_by_token_and_by_number(client: stripe.StripeClient, card: Card) -> None:
    assert (await pay(client, payment_method=f"pm_card_{card.name}")).status == "succeeded"
    entered: Any = {"number": card.number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = await client.v1.payment_methods.create_async(params={"type": "card", "card": entered})
    assert (await pay(client, payment_method=method.id)).status == "succeeded"
    assert method.card
    assert (method.card.brand, method.card.last4) == (card.brand, card.number[-4:])


@pytest.mark.parametrize("card", DECLINING, ids=name_of)
async def test_an_attached_card_that_turned_bad_is_declined_off_session(
    client: stripe.StripeClient, standin: RunningStandin, card: Card
) -> None:
    customer = await client.v1.customers.create_async()
    method = await method_like(client, standin, customer.id, card, set_up=True)
    with pytest.raises(stripe.CardError) as declined:
        await pay(client, customer=customer.id, payment_method=method, off_session=True)
    error: Any = declined.value.error
    assert card.decline
    assert (declined.value.http_status, error.code) == (402, card.decline.code)
    assert getattr(error, "decline_code", None) == card.decline.decline_code
    assert error.advice_code == ADVICE.get(card.name, "try_again_later")
    charge = await client.v1.charges.retrieve_async(error.charge)
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, card.decline.code)
    assert (await client.v1.payment_intents.retrieve_async(error.payment_intent.id)).amount_received == 0


@pytest.mark.parametrize("card", [card for card in CARDS.values() if not card.attaches], ids=name_of)
async def test_a_card_that_declines_at_once_is_never_attached(client: stripe.StripeClient, card: Card) -> None:
    customer = await client.v1.customers.create_async()
    with pytest.raises(stripe.CardError):
        await client.v1.payment_methods.attach_async(f"pm_card_{card.name}", params={"customer": customer.id})
    params: Any = {"customer": customer.id, "payment_method": f"pm_card_{card.name}", "confirm": True}
    with pytest.raises(stripe.CardError):
        await client.v1.setup_intents.create_async(params={**params, "payment_method_types": ["card"]})
    assert (await client.v1.customers.payment_methods.list_async(customer.id)).data == []


@pytest.mark.parametrize(
    ("card", "set_up", "outcome"),
    [
        ("authenticationRequired", True, "authentication_required"),
        ("authenticationRequiredOnSetup", False, "authentication_required"),
        ("authenticationRequiredOnSetup", True, "succeeded"),
        ("authenticationRequiredSetupForOffSession", False, "succeeded"),
        ("authenticationRequiredChargeDeclinedInsufficientFunds", False, "authentication_required"),
        ("authenticationRequiredChargeDeclinedInsufficientFunds", True, "card_declined"),
    ],
)
async def test_off_session_authentication_depends_on_the_set_up(
    client: stripe.StripeClient, standin: RunningStandin, card: str, set_up: bool, outcome: str
) -> None:
    customer = await client.v1.customers.create_async()
    method = await method_like(client, standin, customer.id, CARDS[card], set_up=set_up)
    terms: Any = {"customer": customer.id, "payment_method": method, "off_session": True}
    if outcome == "succeeded":
        assert (await pay(client, **terms)).status == outcome
        return
    with pytest.raises(stripe.CardError) as declined:
        await pay(client, **terms)
    assert declined.value.code == outcome


async def test_the_same_payment_method_may_change_its_mind(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    customer = await client.v1.customers.create_async()
    method = await method_like(client, standin, customer.id, CARDS["chargeDeclinedInsufficientFunds"])
    with pytest.raises(stripe.CardError):
        await pay(client, customer=customer.id, payment_method=method)
    await standin.sim.set_card(method, "visa")
    assert (await pay(client, customer=customer.id, payment_method=method)).status == "succeeded"


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ({"number": "4242424242424241"}, "incorrect_number"),
        ({"number": "4532015112830366"}, "card_declined"),
        ({"exp_month": 13}, "invalid_expiry_month"),
        ({"exp_year": 2001}, "invalid_expiry_year"),
    ],
)
async def test_mistyped_and_real_card_numbers_are_refused(
    client: stripe.StripeClient, card: dict[str, Any], code: str
) -> None:
    entered: Any = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123", **card}
    with pytest.raises(stripe.CardError) as refused:
        await client.v1.payment_methods.create_async(params={"type": "card", "card": entered})
    assert refused.value.code == code


async def test_a_refund_can_fail_later_and_the_charge_says_so(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    paid = await pay(client, payment_method="pm_card_refundFail")
    answered = await client.v1.refunds.create_async(params={"payment_intent": paid.id})
    assert answered.status == "succeeded"
    refund = await client.v1.refunds.retrieve_async(answered.id)
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    charge = await client.v1.charges.retrieve_async(str(paid.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    types = [event["type"] for event in await standin.sim.objects("event")]
    assert types.index("refund.created") < types.index("charge.refunded") < types.index("refund.failed")


async def test_a_pending_refund_arrives(client: stripe.StripeClient, standin: RunningStandin) -> None:
    paid = await pay(client, payment_method="pm_card_pendingRefund")
    refund = await client.v1.refunds.create_async(params={"payment_intent": paid.id})
    assert refund.status == "pending"
    await standin.sim.complete_refund(refund.id)
    assert (await client.v1.refunds.retrieve_async(refund.id)).status == "succeeded"


async def test_a_refund_fails_by_the_control_plane_once(client: stripe.StripeClient, standin: RunningStandin) -> None:
    paid = await pay(client, payment_method="pm_card_visa")
    refund = await client.v1.refunds.create_async(params={"payment_intent": paid.id, "amount": 100})
    assert (await standin.sim.fail_refund(refund.id))["status"] == "failed"
    again = await client.v1.refunds.create_async(params={"payment_intent": paid.id})
    assert again.amount == 500
