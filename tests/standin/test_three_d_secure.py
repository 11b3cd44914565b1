"""3-D Secure: on the hosted page, by stripe.js with a publishable key, completed and failed."""

import re
from typing import Any

import httpx
import pytest
import stripe

from deploy.local.stripe_standin import ControlRefused, RunningStandin


async def asked(client: stripe.StripeClient, card: str = "authenticationRequired", **more: Any) -> stripe.PaymentIntent:
    params: Any = {"amount": 2500, "currency": "usd", "payment_method_types": ["card"], "confirm": True, **more}
    return await client.v1.payment_intents.create_async(params={**params, "payment_method": f"pm_card_{card}"})


async def test_the_customer_completes_it_on_the_page(client: stripe.StripeClient) -> None:
    intent = await asked(client, return_url="https://shop.example/back?a=1")
    assert intent.next_action
    assert intent.next_action.redirect_to_url
    url = str(intent.next_action.redirect_to_url.url)
    async with httpx.AsyncClient() as page:
        shown = await page.get(url)
        assert "SIMULATED" in shown.text
        assert "25.00 USD" in shown.text
        secret = re.search(r'name="client_secret" value="([^"]+)"', shown.text)
        assert secret
        form = {"client_secret": secret[1], "outcome": "complete"}
        done = await page.post(url.partition("?")[0], data=form)
    assert done.status_code == 303
    assert done.headers["location"].startswith("https://shop.example/back?a=1&payment_intent=pi_")
    assert done.headers["location"].endswith("redirect_status=succeeded")
    paid = await client.v1.payment_intents.retrieve_async(intent.id, params={"expand": ["latest_charge"]})
    charge: Any = paid.latest_charge
    assert (paid.status, charge.payment_method_details.card.three_d_secure.result) == ("succeeded", "authenticated")


async def test_a_failed_authentication_charges_nothing(client: stripe.StripeClient, standin: RunningStandin) -> None:
    intent = await asked(client)
    await standin.sim.authenticate(intent.id, "fail")
    failed = await client.v1.payment_intents.retrieve_async(intent.id)
    assert (failed.status, failed.latest_charge) == ("requires_payment_method", None)
    assert failed.last_payment_error
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert await standin.sim.objects("charge") == []
    with pytest.raises(ControlRefused):
        await standin.sim.authenticate(intent.id, "complete")


async def test_an_authenticated_card_may_still_be_declined(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    intent = await asked(client, "authenticationRequiredChargeDeclinedInsufficientFunds")
    after = await standin.sim.authenticate(intent.id)
    assert (after["status"], after["last_payment_error"]["decline_code"]) == (
        "requires_payment_method",
        "insufficient_funds",
    )


async def test_the_page_needs_the_client_secret(client: stripe.StripeClient, standin: RunningStandin) -> None:
    intent = await asked(client)
    async with httpx.AsyncClient(base_url=standin.api_base) as page:
        assert (await page.get(f"/3ds/{intent.id}?client_secret=guess")).status_code == 404
        form = {"client_secret": "guess", "outcome": "complete"}
        assert (await page.post(f"/3ds/{intent.id}", data=form)).status_code == 404
    assert (await client.v1.payment_intents.retrieve_async(intent.id)).status == "requires_action"


async def test_the_same_intent_is_confirmed_on_session_after_an_off_session_decline(
    client: stripe.StripeClient, browser: stripe.StripeClient, standin: RunningStandin
) -> None:
    customer = await client.v1.customers.create_async()
    card: Any = {"customer": customer.id}
    method = await client.v1.payment_methods.attach_async("pm_card_authenticationRequired", params=card)
    params: Any = {"amount": 900, "currency": "usd", "payment_method_types": ["card"], "confirm": True, **card}
    with pytest.raises(stripe.CardError) as declined:
        await client.v1.payment_intents.create_async(
            params={**params, "payment_method": method.id, "off_session": True}
        )
    intent: Any = declined.value.error.payment_intent  # type: ignore[union-attr]
    on_session: Any = {"client_secret": intent.client_secret, "payment_method": method.id}
    asked_now = await browser.v1.payment_intents.confirm_async(intent.id, params=on_session)
    assert asked_now.status == "requires_action"
    await standin.sim.authenticate(intent.id)
    seen = await browser.v1.payment_intents.retrieve_async(intent.id, params={"client_secret": intent.client_secret})
    assert seen.status == "succeeded"
    assert not hasattr(seen, "metadata")


async def test_a_browser_sees_only_what_its_secret_opens(
    client: stripe.StripeClient, browser: stripe.StripeClient
) -> None:
    intent = await asked(client)
    with pytest.raises(stripe.InvalidRequestError):
        await browser.v1.payment_intents.retrieve_async(intent.id, params={"client_secret": "pi_x_secret_y"})
    with pytest.raises(stripe.InvalidRequestError):
        await browser.v1.payment_intents.retrieve_async(intent.id)
    with pytest.raises(stripe.PermissionError):
        await browser.v1.customers.list_async()
    with pytest.raises(stripe.PermissionError):
        await browser.v1.payment_intents.cancel_async(intent.id)


async def test_a_card_set_up_with_authentication_pays_off_session(
    client: stripe.StripeClient, browser: stripe.StripeClient, standin: RunningStandin
) -> None:
    customer = await client.v1.customers.create_async()
    params: Any = {"customer": customer.id, "payment_method_types": ["card"]}
    setup = await client.v1.setup_intents.create_async(params=params)
    entered: Any = {"number": "4000002500003155", "exp_month": 1, "exp_year": 2040, "cvc": "123"}
    method = await browser.v1.payment_methods.create_async(params={"type": "card", "card": entered})
    given: Any = {"client_secret": setup.client_secret, "payment_method": method.id}
    confirmed = await browser.v1.setup_intents.confirm_async(setup.id, params=given)
    assert confirmed.status == "requires_action"
    await standin.sim.authenticate(setup.id)
    saved = await client.v1.setup_intents.retrieve_async(setup.id)
    assert saved.status == "succeeded"
    paid: Any = {
        "amount": 700,
        "currency": "usd",
        "payment_method_types": ["card"],
        "customer": customer.id,
        "payment_method": str(saved.payment_method),
        "confirm": True,
        "off_session": True,
    }
    assert (await client.v1.payment_intents.create_async(params=paid)).status == "succeeded"


async def test_a_failed_setup_keeps_no_card(client: stripe.StripeClient, standin: RunningStandin) -> None:
    customer = await client.v1.customers.create_async()
    params: Any = {"customer": customer.id, "payment_method_types": ["card"], "confirm": True}
    card = "pm_card_authenticationRequired"
    setup = await client.v1.setup_intents.create_async(params={**params, "payment_method": card})
    await standin.sim.authenticate(setup.id, "fail")
    assert (await client.v1.customers.payment_methods.list_async(customer.id)).data == []
    assert "setup_intent.setup_failed" in [event["type"] for event in await standin.sim.objects("event")]


async def test_an_authentication_counts_once(client: stripe.StripeClient, standin: RunningStandin) -> None:
    intent = await asked(client)
    await standin.sim.authenticate(intent.id)
    with pytest.raises(ControlRefused, match="authentication is over"):
        await standin.sim.authenticate(intent.id)
    assert len(await standin.sim.objects("charge")) == 1


@pytest.mark.parametrize("card", ["authenticationRequiredOnSetup", "authenticationRequiredSetupForOffSession"])
async def test_on_session_such_cards_always_ask(
    client: stripe.StripeClient, standin: RunningStandin, card: str
) -> None:
    customer = await client.v1.customers.create_async()
    method = await client.v1.payment_methods.attach_async("pm_card_visa", params={"customer": customer.id})
    await standin.sim.set_card(method.id, card, set_up=True)
    params: Any = {"amount": 500, "currency": "usd", "payment_method_types": ["card"], "confirm": True}
    params |= {"customer": customer.id, "payment_method": method.id}
    assert (await client.v1.payment_intents.create_async(params=params)).status == "requires_action"
