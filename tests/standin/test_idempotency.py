"""Idempotency keys under concurrency, faults and time (docs.stripe.com/api/idempotent_requests)."""

import asyncio
from typing import Any

import httpx
import pytest
import stripe

from deploy.local.stripe_standin import RunningStandin
from tests.standin.waiting import eventually

PAYMENT: Any = {
    "amount": 500,
    "currency": "usd",
    "payment_method_types": ["card"],
    "payment_method": "pm_card_visa",
    "confirm": True,
}
CREATE = "^/v1/payment_intents$"


async def pay(client: stripe.StripeClient, key: str = "k1", **more: Any) -> stripe.PaymentIntent:
    return await client.v1.payment_intents.create_async(params={**PAYMENT, **more}, options={"idempotency_key": key})


async def charges(standin: RunningStandin) -> int:
    return len(await standin.sim.objects("charge"))


async def test_twenty_requests_at_once_with_one_key_make_one_charge(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    answers = await asyncio.gather(*(pay(client) for _ in range(20)))
    assert len({answer.id for answer in answers}) == 1
    assert await charges(standin) == 1


async def test_twenty_requests_meet_a_slow_one_and_still_make_one_charge(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    await standin.sim.fault(CREATE, when="during", action="latency", seconds=2)
    answers = await asyncio.gather(*(pay(client) for _ in range(20)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, stripe.APIError)]
    assert len(refused) == 19
    assert {(e.http_status, e.error and e.error.code) for e in refused} == {(409, "idempotency_key_in_use")}
    assert await charges(standin) == 1
    assert (await pay(client)).status == "succeeded"
    assert await charges(standin) == 1


async def fault_hit(standin: RunningStandin) -> bool:
    return bool((await standin.sim.state())["faults"][0]["hits"])


async def test_a_key_in_use_with_other_parameters_is_refused_as_such(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    await standin.sim.fault(CREATE, when="during", action="latency", seconds=2)
    slow = asyncio.create_task(pay(client))
    await eventually(lambda: fault_hit(standin))
    with pytest.raises(stripe.IdempotencyError):
        await pay(client, amount=501)
    assert (await slow).amount == 500


async def test_a_key_on_another_route_is_refused(client: stripe.StripeClient) -> None:
    await pay(client)
    with pytest.raises(stripe.IdempotencyError):
        await client.v1.customers.create_async(options={"idempotency_key": "k1"})


async def test_a_stored_500_is_replayed_and_charged_nothing(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    await standin.sim.fault(CREATE, when="store500")
    for replayed in (False, True):
        with pytest.raises(stripe.APIError) as broken:
            await pay(client)
        headers: Any = broken.value.headers
        assert (broken.value.http_status, "idempotent-replayed" in headers) == (500, replayed)
    assert await charges(standin) == 0


async def test_a_stored_500_may_have_charged(client: stripe.StripeClient, standin: RunningStandin) -> None:
    await standin.sim.fault(CREATE, when="store500", keep_effect=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await pay(client)
    assert await charges(standin) == 1


@pytest.mark.parametrize("by_time", [True, False])
async def test_a_key_is_forgotten_after_a_day_and_then_charges_again(
    client: stripe.StripeClient, standin: RunningStandin, by_time: bool
) -> None:
    first = await pay(client)
    if by_time:
        await standin.sim.advance(23 * 3600)
        assert (await pay(client)).id == first.id
        await standin.sim.advance(3600)
    else:
        assert await standin.sim.expire_idempotency("k1") == 1
    assert (await pay(client)).id != first.id
    assert await charges(standin) == 2


async def test_the_clients_own_retry_uses_the_same_key(standin: RunningStandin) -> None:
    """The attempt's key makes the SDK's retry after a lost answer harmless (payments.md §1)."""
    http = stripe.HTTPXClient(timeout=5)
    client = stripe.StripeClient(
        standin.secret_key, http_client=http, max_network_retries=2, base_addresses={"api": standin.api_base}
    )
    await standin.sim.fault(CREATE, when="after", action="reset")
    assert (await pay(client)).status == "succeeded"
    assert await charges(standin) == 1
    await http.close_async()


async def test_a_key_may_have_255_characters(client: stripe.StripeClient) -> None:
    assert (await pay(client, "k" * 255)).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError):
        await pay(client, "k" * 256)


async def test_get_and_delete_ignore_keys(client: stripe.StripeClient, standin: RunningStandin) -> None:
    customer = await client.v1.customers.create_async()
    headers = {"authorization": f"Bearer {standin.secret_key}", "idempotency-key": "k1"}
    async with httpx.AsyncClient(base_url=standin.api_base, headers=headers) as http:
        for _ in range(2):
            assert (await http.get(f"/v1/customers/{customer.id}")).json()["id"] == customer.id
        assert (await http.delete(f"/v1/customers/{customer.id}")).json()["deleted"]
        assert (await http.delete(f"/v1/customers/{customer.id}")).status_code == 404
