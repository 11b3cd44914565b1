"""What Ringfence relies on around the money: customers, cards, set-up, checkout, lists, events, keys.

Asked through Stripe's client alone, like test_conformance.py, of the stand-in or of Stripe's test mode.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.standin.conformance import CARD, conforming_client, customer_with_card, key, pay


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[stripe.StripeClient]:
    async with conforming_client(tmp_path) as made:
        yield made


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
