"""Webhooks: signed, retried, doubled, shuffled, late, lost, forged, and signed by two secrets while one is rolled."""

import asyncio
from typing import Any

import pytest
import stripe

from deploy.local.stripe_standin import RunningStandin
from tests.standin.receiver import Received, Receiver
from tests.standin.test_idempotency import pay

SUCCEEDED = "payment_intent.succeeded"


def verified(one: Received, secret: str, tolerance: int = 300) -> stripe.Event:
    return stripe.Webhook.construct_event(one.body, one.signature, secret, tolerance)  # type: ignore[no-untyped-call]


async def test_each_event_comes_once_signed_and_equal_to_the_apis(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    await pay(client, "key-7")
    await standin.sim.idle()
    assert sorted(receiver.types()) == ["charge.succeeded", "payment_intent.created", SUCCEEDED]
    (one,) = receiver.of(SUCCEEDED)
    event = verified(one, standin.webhook_secret)
    fetched = await client.v1.events.retrieve_async(event.id)
    assert fetched.to_dict()["data"] == event.to_dict()["data"]
    assert event.request
    assert event.request.idempotency_key == "key-7"


async def test_an_event_holds_the_object_as_it_was(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    customer = await client.v1.customers.create_async(params={"name": "first"})
    await client.v1.customers.update_async(customer.id, params={"name": "second"})
    await standin.sim.idle()
    (created,), (updated,) = receiver.of("customer.created"), receiver.of("customer.updated")
    assert created.event["data"]["object"]["name"] == "first"
    assert updated.event["data"]["object"]["name"] == "second"
    assert updated.event["data"]["previous_attributes"] == {"name": "first"}


async def test_a_refused_webhook_is_sent_again_until_it_is_taken(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    receiver.statuses = [500, 404, 302]
    await client.v1.customers.create_async()
    await standin.sim.idle()
    assert receiver.types() == ["customer.created"] * 4
    (delivery,) = (await standin.sim.state())["deliveries"]
    assert (delivery["state"], delivery["attempts"], delivery["last_status"]) == ("delivered", 4, 200)


async def test_an_undelivered_event_is_found_by_delivery_success(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    await standin.sim.webhook_fault("drop", SUCCEEDED)
    await pay(client)
    await standin.sim.idle()
    assert SUCCEEDED not in receiver.types()
    undelivered = await client.v1.events.list_async(params={"delivery_success": False})
    assert [event.type for event in undelivered.data] == [SUCCEEDED]
    assert await standin.sim.redeliver(type=SUCCEEDED) == 1
    await standin.sim.idle()
    assert len(receiver.of(SUCCEEDED)) == 1


async def test_a_webhook_can_come_five_times(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    await standin.sim.webhook_fault("duplicate", SUCCEEDED, copies=5)
    await pay(client)
    await standin.sim.idle()
    assert len(receiver.of(SUCCEEDED)) == 5
    assert len({one.event["id"] for one in receiver.of(SUCCEEDED)}) == 1
    assert len(receiver.types()) == 7


async def test_webhooks_can_lose_their_order_repeatably(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    await standin.sim.webhook_fault("shuffle", "*", seconds=0.5, seed=3)
    for number in range(4):
        await pay(client, f"k{number}")
    await standin.sim.idle()
    order = [one.event["id"] for one in receiver.received]
    happened = [event["id"] for event in await standin.sim.objects("event")]
    assert sorted(order) == sorted(happened)
    assert order != happened


async def test_a_webhook_can_be_late(client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver) -> None:
    await standin.sim.webhook_fault("delay", SUCCEEDED, seconds=3600)
    await pay(client)
    with pytest.raises(TimeoutError):
        await standin.sim.idle(0.3)
    assert SUCCEEDED not in receiver.types()
    await standin.sim.advance(3600)
    await standin.sim.idle()
    assert SUCCEEDED in receiver.types()


@pytest.mark.parametrize("fault", ["stale", "bad_sig"])
async def test_a_bad_signature_is_followed_by_a_good_one(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver, fault: str
) -> None:
    receiver.statuses = [400]
    await standin.sim.webhook_fault(fault, "customer.created", times=1)
    await client.v1.customers.create_async()
    await standin.sim.idle()
    bad, good = receiver.received
    with pytest.raises(stripe.SignatureVerificationError):
        verified(bad, standin.webhook_secret)
    assert verified(good, standin.webhook_secret).type == "customer.created"


async def test_a_rolled_secret_signs_beside_the_new_one_until_its_time_is_over(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    fresh = await standin.sim.roll_secret(overlap_seconds=3600)
    await client.v1.customers.create_async()
    await standin.sim.idle()
    for secret in (standin.webhook_secret, fresh):
        assert verified(receiver.received[0], secret)
    await standin.sim.advance(3601)
    await client.v1.customers.create_async()
    await standin.sim.idle()
    assert verified(receiver.received[1], fresh, 7200)
    with pytest.raises(stripe.SignatureVerificationError):
        verified(receiver.received[1], standin.webhook_secret, 7200)


async def test_an_endpoint_made_by_the_api_gets_only_what_it_wants(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    params: Any = {"url": receiver.url + "?second", "enabled_events": [SUCCEEDED]}
    endpoint = await client.v1.webhook_endpoints.create_async(params=params)
    assert endpoint.secret
    await pay(client)
    await standin.sim.idle()
    assert len(receiver.of(SUCCEEDED)) == 2
    assert len(receiver.of("charge.succeeded")) == 1
    assert len([one for one in receiver.of(SUCCEEDED) if is_signed(one, endpoint.secret)]) == 1
    listed = (await client.v1.webhook_endpoints.list_async()).data
    assert [getattr(one, "secret", None) for one in listed] == [None, None]
    await client.v1.webhook_endpoints.delete_async(endpoint.id)
    assert len((await client.v1.webhook_endpoints.list_async()).data) == 1


def is_signed(one: Received, secret: str) -> bool:
    try:
        verified(one, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


async def test_a_slow_endpoint_does_not_hold_up_the_api(
    client: stripe.StripeClient, standin: RunningStandin, receiver: Receiver
) -> None:
    receiver.pause_seconds = 5
    await asyncio.wait_for(pay(client), 4)
