"""What Ringfence relies on of Stripe, asked through Stripe's client alone.

The stand-in passes it in every run. With `STRIPE_API_KEY=sk_test_…` the same questions go to Stripe's test mode.
"""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from deploy.local.stripe_standin import running_standin
from tests.standin.clients import stripe_client
from tests.standin.witness import SpecWitness

CARD: dict[str, Any] = {"currency": "usd", "payment_method_types": ["card"]}
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
    key = os.environ.get("STRIPE_API_KEY")
    if key:
        assert key.startswith(("sk_test_", "rk_test_")), "only test mode: these tests charge cards"
        async with stripe_client("https://api.stripe.com", key, timeout_seconds=60) as made:
            yield made
        return
    witness = SpecWitness()
    async with (
        running_standin(tmp_path, observe=witness.observe) as standin,
        stripe_client(standin.api_base, standin.secret_key) as made,
    ):
        yield made
    assert witness.findings == []


async def customer_with_card(client: stripe.StripeClient, card: str = "pm_card_visa") -> tuple[str, str]:
    customer = await client.v1.customers.create_async(params={"email": "jenny@example.com"})
    method = await client.v1.payment_methods.attach_async(card, params={"customer": customer.id})
    return customer.id, method.id


async def pay(client: stripe.StripeClient, method: str = "pm_card_visa", **more: Any) -> stripe.PaymentIntent:
    params: Any = {"amount": 2000, **CARD, "payment_method": method, "confirm": True, **more}
    return await client.v1.payment_intents.create_async(params=params)


def key() -> Any:
    return {"idempotency_key": str(uuid.uuid4())}


async def test_a_customer_is_created_changed_and_deleted(client: stripe.StripeClient) -> None:
    made = await client.v1.customers.create_async(params={"name": "Jenny", "metadata": {"org": "1", "env": "t"}})
    changed = await client.v1.customers.update_async(made.id, params={"metadata": {"env": "", "app": "x"}})
    assert changed.metadata.to_dict() == {"org": "1", "app": "x"}
    gone = await client.v1.customers.delete_async(made.id)
    assert gone.deleted
    again = await client.v1.customers.retrieve_async(made.id)
    assert getattr(again, "deleted", False)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.payment_methods.attach_async("pm_card_visa", params={"customer": made.id})
    assert refused.value.code == "resource_missing"


async def test_a_card_is_attached_listed_and_detached_for_good(client: stripe.StripeClient) -> None:
    customer, method = await customer_with_card(client)
    listed = await client.v1.customers.payment_methods.list_async(customer)
    assert [(m.id, m.card and m.card.last4) for m in listed.data] == [(method, "4242")]
    await client.v1.payment_methods.detach_async(method)
    assert (await client.v1.customers.payment_methods.list_async(customer)).data == []
    with pytest.raises(stripe.InvalidRequestError):
        await pay(client, method)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.payment_methods.attach_async(method, params={"customer": customer})


async def test_a_default_card_must_be_the_customers(client: stripe.StripeClient) -> None:
    customer, method = await customer_with_card(client)
    other, _ = await customer_with_card(client)
    default: Any = {"invoice_settings": {"default_payment_method": method}}
    set_ = await client.v1.customers.update_async(customer, params=default)
    assert set_.invoice_settings.default_payment_method == method
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.customers.update_async(other, params=default)


async def test_a_card_that_is_declined_when_saved_is_not_attached(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async()
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_methods.attach_async("pm_card_chargeDeclined", params={"customer": customer.id})
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    assert (await client.v1.customers.payment_methods.list_async(customer.id)).data == []


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


async def soon(listing: Any, params: dict[str, str]) -> Any:
    """The first of a list that Stripe fills a moment later."""
    for _ in range(60):
        found = (await listing(params=params)).data
        if found:
            return found[0]
        await asyncio.sleep(1)
    raise AssertionError("nothing came within a minute")


async def test_a_setup_intent_keeps_the_card_for_off_session_use(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async()
    params: Any = {"customer": customer.id, "payment_method_types": ["card"], "usage": "off_session"}
    opened = await client.v1.setup_intents.create_async(params=params)
    assert (opened.status, opened.usage) == ("requires_payment_method", "off_session")
    done = await client.v1.setup_intents.confirm_async(opened.id, params={"payment_method": "pm_card_visa"})
    assert done.status == "succeeded"
    paid = await pay(client, str(done.payment_method), customer=customer.id, off_session=True)
    assert paid.status == "succeeded"


async def test_a_setup_can_be_declined_or_ask_for_authentication(client: stripe.StripeClient) -> None:
    params: Any = {"payment_method_types": ["card"], "confirm": True, "payment_method": "pm_card_chargeDeclined"}
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.setup_intents.create_async(params=params)
    assert declined.value.error.setup_intent.status == "requires_payment_method"  # type: ignore[union-attr]
    params["payment_method"] = "pm_card_authenticationRequiredOnSetup"
    assert (await client.v1.setup_intents.create_async(params=params)).status == "requires_action"


async def test_a_setup_checkout_has_a_page_and_can_expire(client: stripe.StripeClient) -> None:
    customer = await client.v1.customers.create_async(params={"email": "jenny@example.com"})
    params: Any = {
        "mode": "setup",
        "currency": "usd",
        "customer": customer.id,
        "success_url": "https://example.com/done?session={CHECKOUT_SESSION_ID}",
        "setup_intent_data": {"metadata": {"org": "7"}},
        "expand": ["setup_intent"],
    }
    session = await client.v1.checkout.sessions.create_async(params=params)
    assert (session.status, session.mode, session.customer) == ("open", "setup", customer.id)
    assert session.url
    assert session.url.startswith("http")
    setup: Any = session.setup_intent
    assert setup.metadata["org"] == "7"
    expired = await client.v1.checkout.sessions.expire_async(session.id)
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.checkout.sessions.expire_async(session.id)


async def test_lists_page_newest_first_without_gaps(client: stripe.StripeClient) -> None:
    customer, method = await customer_with_card(client)
    paid = [(await pay(client, method, customer=customer)).id for _ in range(5)]
    listing = await client.v1.payment_intents.list_async(params={"customer": customer, "limit": 2})
    assert listing.has_more
    assert [intent.id async for intent in listing.auto_paging_iter()] == paid[::-1]
    before = await client.v1.payment_intents.list_async(
        params={"customer": customer, "limit": 2, "ending_before": paid[1]}
    )
    assert [intent.id for intent in before.data] == [paid[3], paid[2]]
    newest = (await client.v1.payment_intents.retrieve_async(paid[-1])).created
    later: Any = {"customer": customer, "created": {"gt": newest}}
    assert (await client.v1.payment_intents.list_async(params=later)).data == []
    now: Any = {"customer": customer, "created": {"gte": newest - 60, "lte": newest}}
    assert len((await client.v1.payment_intents.list_async(params=now)).data) == 5
    charges = await client.v1.charges.list_async(params={"customer": customer})
    assert len(charges.data) == 5


async def test_events_tell_what_happened_and_by_which_key(client: stripe.StripeClient) -> None:
    options = key()
    params: Any = {"amount": 700, **CARD, "payment_method": "pm_card_visa", "confirm": True}
    paid = await client.v1.payment_intents.create_async(params=params, options=options)
    wanted: Any = {"types": ["payment_intent.succeeded", "charge.succeeded"], "created": {"gte": paid.created}}
    for _ in range(30):
        listing = await client.v1.events.list_async(params=wanted)
        mine = [e for e in listing.data if paid.id in json.dumps(e.data.object.to_dict())]
        if len(mine) == 2:
            break
        await asyncio.sleep(1)
    assert {event.type for event in mine} == {"payment_intent.succeeded", "charge.succeeded"}
    assert all(e.request and e.request.idempotency_key == options["idempotency_key"] for e in mine)
    again = await client.v1.events.retrieve_async(mine[0].id)
    assert again.type == mine[0].type


async def test_a_wrong_key_is_told_from_a_decline(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await client.v1.customers.create_async(options={"api_key": "sk_test_wrong000000000000000000"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.customers.retrieve_async("cus_nobody")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert refused.value.request_id
