"""What Ringfence relies on when it takes and gives back money, asked through Stripe's client alone.

The stand-in passes it in every run. With `STRIPE_API_KEY=sk_test_…` the same questions go to Stripe's test mode.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.standin.conformance import CARD, conforming_client, customer_with_card, key, pay, soon

DECLINES = [
    ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
    ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
    ("pm_card_chargeDeclinedProcessingError", "processing_error", None),
]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[stripe.StripeClient]:
    async with conforming_client(tmp_path) as made:
        yield made


async def test_an_off_session_charge_succeeds_with_one_charge(client: stripe.StripeClient) -> None:
    customer, method = await customer_with_card(client)
    paid = await pay(
        client,
        method,
        customer=customer,
        off_session=True,
        error_on_requires_action=True,
        metadata={"attempt_id": "a1"},
        expand=["latest_charge"],
    )
    charge: Any = paid.latest_charge
    assert (paid.status, paid.amount_received, paid.customer) == ("succeeded", 2000, customer)
    assert (charge.paid, charge.amount, charge.payment_intent, charge.metadata["attempt_id"]) == (
        True,
        2000,
        paid.id,
        "a1",
    )


@pytest.mark.parametrize(("card", "code", "decline_code"), DECLINES)
async def test_a_decline_tells_why_and_leaves_the_intent_open(
    client: stripe.StripeClient, card: str, code: str, decline_code: str | None
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        await pay(client, card)
    error: Any = declined.value.error
    assert (declined.value.http_status, error.code) == (402, code)
    if decline_code:
        assert error.decline_code == decline_code
    intent = await client.v1.payment_intents.retrieve_async(error.payment_intent.id)
    assert (intent.status, intent.payment_method, intent.amount_received) == ("requires_payment_method", None, 0)
    assert intent.last_payment_error
    assert intent.last_payment_error.code == code
    assert intent.client_secret


async def test_a_card_may_attach_and_be_declined_when_charged(client: stripe.StripeClient) -> None:
    customer, method = await customer_with_card(client, "pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError) as declined:
        await pay(client, method, customer=customer, off_session=True)
    assert declined.value.code == "card_declined"
    intent: Any = declined.value.error.payment_intent  # type: ignore[union-attr]
    paid = await client.v1.payment_intents.confirm_async(intent.id, params={"payment_method": "pm_card_visa"})
    assert (paid.id, paid.status) == (intent.id, "succeeded")


@pytest.mark.parametrize("terms", [{"off_session": True}, {"error_on_requires_action": True}])
async def test_authentication_nobody_can_give_is_a_decline(client: stripe.StripeClient, terms: dict[str, bool]) -> None:
    customer, method = await customer_with_card(client, "pm_card_authenticationRequired")
    with pytest.raises(stripe.CardError) as declined:
        await pay(client, method, customer=customer, **terms)
    error: Any = declined.value.error
    assert error.code == "authentication_required"
    assert error.payment_intent.status == "requires_payment_method"
    assert error.payment_intent.client_secret
    again = await client.v1.payment_intents.confirm_async(error.payment_intent.id, params={"payment_method": method})
    assert again.status == "requires_action"


async def test_on_session_the_customer_is_asked_to_authenticate(client: stripe.StripeClient) -> None:
    asked = await pay(client, "pm_card_authenticationRequired")
    assert asked.status == "requires_action"
    assert asked.next_action
    assert asked.next_action.type == "use_stripe_sdk"
    redirected = await pay(client, "pm_card_authenticationRequired", return_url="https://example.com/back")
    assert redirected.next_action
    assert redirected.next_action.redirect_to_url
    assert redirected.next_action.redirect_to_url.return_url == "https://example.com/back"


async def test_an_open_intent_can_be_canceled_a_paid_one_not(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 500, **CARD}
    opened = await client.v1.payment_intents.create_async(params=params)
    canceled = await client.v1.payment_intents.cancel_async(opened.id, params={"cancellation_reason": "abandoned"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "abandoned")
    for finished in (canceled, await pay(client)):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await client.v1.payment_intents.cancel_async(finished.id)
        error: Any = refused.value.error
        assert error.code == "payment_intent_unexpected_state"
        assert error.payment_intent.status == finished.status
        with pytest.raises(stripe.InvalidRequestError):
            await client.v1.payment_intents.confirm_async(finished.id, params={"payment_method": "pm_card_visa"})


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": -5}, "parameter_invalid_integer", "amount"),
        ({"amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({"amount_cents": 500}, "parameter_unknown", "amount_cents"),
        ({"customer": "cus_nobody"}, "resource_missing", "customer"),
        ({"payment_method": "pm_nothing"}, "resource_missing", "payment_method"),
    ],
)
async def test_a_wrong_parameter_is_named(
    client: stripe.StripeClient, wrong: dict[str, Any], code: str, param: str
) -> None:
    params: Any = {"amount": 500, **CARD, **wrong}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_intents.create_async(params=params)
    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


async def test_another_customers_card_is_refused(client: stripe.StripeClient) -> None:
    _, method = await customer_with_card(client)
    stranger, _ = await customer_with_card(client)
    for who in ({"customer": stranger}, {}):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            await pay(client, method, **who)
        assert refused.value.http_status == 400


async def test_a_card_of_nobody_is_charged_once(client: stripe.StripeClient) -> None:
    customer, _ = await customer_with_card(client)
    params: Any = {"type": "card", "card": {"token": "tok_visa"}}
    method = await client.v1.payment_methods.create_async(params=params)
    assert (await pay(client, method.id, customer=customer)).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError):
        await pay(client, method.id, customer=customer)


async def test_the_same_key_gives_the_same_answer(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 2000, **CARD, "payment_method": "pm_card_visa", "confirm": True}
    options = key()
    first = await client.v1.payment_intents.create_async(params=params, options=options)
    second = await client.v1.payment_intents.create_async(params=params, options=options)
    assert first.id == second.id
    assert second.last_response
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.last_response.headers  # type: ignore[union-attr]
    with pytest.raises(stripe.IdempotencyError) as refused:
        await client.v1.payment_intents.create_async(params={**params, "amount": 2001}, options=options)
    assert refused.value.http_status == 400


async def test_a_decline_is_replayed_under_its_key(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 2000, **CARD, "payment_method": "pm_card_chargeDeclined", "confirm": True}
    options, seen = key(), []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            await client.v1.payment_intents.create_async(params=params, options=options)
        seen.append(declined.value.error.payment_intent.id)  # type: ignore[union-attr]
        headers: Any = declined.value.headers
    assert seen[0] == seen[1]
    assert headers["idempotent-replayed"] == "true"


async def test_a_refused_parameter_leaves_the_key_free(client: stripe.StripeClient) -> None:
    options = key()
    wrong: Any = {"amount": "x", **CARD}
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_intents.create_async(params=wrong, options=options)
    right: Any = {"amount": 500, **CARD}
    assert (await client.v1.payment_intents.create_async(params=right, options=options)).amount == 500


async def test_a_charge_is_refunded_in_parts_and_never_beyond(client: stripe.StripeClient) -> None:
    paid = await pay(client)
    first = await client.v1.refunds.create_async(params={"payment_intent": paid.id, "amount": 500})
    assert (first.status, first.amount) == ("succeeded", 500)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.refunds.create_async(params={"payment_intent": paid.id, "amount": 1501})
    await client.v1.refunds.create_async(params={"charge": str(paid.latest_charge)})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.refunds.create_async(params={"payment_intent": paid.id})
    assert refused.value.code == "charge_already_refunded"
    charge = await client.v1.charges.retrieve_async(str(paid.latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (2000, True)
    listed = await client.v1.refunds.list_async(params={"payment_intent": paid.id})
    assert [refund.amount for refund in listed.data] == [1500, 500]


async def test_a_disputed_charge_has_a_dispute_that_took_the_money(client: stripe.StripeClient) -> None:
    paid = await pay(client, "pm_card_createDispute")
    dispute = await soon(client.v1.disputes.list_async, {"payment_intent": paid.id})
    assert (dispute.amount, dispute.status) == (2000, "needs_response")
    assert sum(change.amount for change in dispute.balance_transactions) == -2000
    closed = await client.v1.disputes.close_async(dispute.id)
    assert closed.status == "lost"


async def test_an_inquiry_takes_no_money(client: stripe.StripeClient) -> None:
    paid = await pay(client, "pm_card_createDisputeInquiry")
    inquiry = await soon(client.v1.disputes.list_async, {"payment_intent": paid.id})
    assert inquiry.status == "warning_needs_response"
    assert inquiry.balance_transactions == []
