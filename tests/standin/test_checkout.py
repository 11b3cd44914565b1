"""The hosted card form, as a browser walks through it."""

from typing import Any

import httpx
import pytest
import stripe

from deploy.local.stripe_standin import RunningStandin


async def opened(client: stripe.StripeClient, **more: Any) -> stripe.checkout.Session:
    customer = await client.v1.customers.create_async(params={"email": "jenny@example.com"})
    params: Any = {
        "mode": "setup",
        "currency": "usd",
        "customer": customer.id,
        "success_url": "https://shop.example/done?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cancel",
        **more,
    }
    return await client.v1.checkout.sessions.create_async(params=params)


async def cards_of(client: stripe.StripeClient, session: stripe.checkout.Session) -> list[str]:
    listed = await client.v1.customers.payment_methods.list_async(str(session.customer))
    return [method.card.last4 for method in listed.data if method.card]


async def test_a_card_entered_is_kept_and_the_customer_sent_back(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    session = await opened(client)
    done = await standin.sim.enter_card(session.id)
    assert (done.status_code, done.headers["location"]) == (303, f"https://shop.example/done?s={session.id}")
    after = await client.v1.checkout.sessions.retrieve_async(session.id, params={"expand": ["setup_intent"]})
    setup: Any = after.setup_intent
    assert (after.status, setup.status) == ("complete", "succeeded")
    assert await cards_of(client, session) == ["4242"]
    types = [event["type"] for event in await standin.sim.objects("event")]
    assert types.index("payment_method.attached") < types.index("setup_intent.succeeded")
    assert types.index("setup_intent.succeeded") < types.index("checkout.session.completed")
    again = await standin.sim.enter_card(session.id)
    assert again.status_code == 410
    assert len(await cards_of(client, session)) == 1


@pytest.mark.parametrize(
    ("number", "said"), [("4000000000000002", "declined"), ("4242424242424241", "incorrect"), ("x", "incorrect")]
)
async def test_a_refused_card_is_explained_and_another_may_be_tried(
    client: stripe.StripeClient, standin: RunningStandin, number: str, said: str
) -> None:
    session = await opened(client)
    refused = await standin.sim.enter_card(session.id, number)
    assert refused.status_code == 402
    assert 'role="alert"' in refused.text
    assert said in refused.text
    assert await cards_of(client, session) == []
    assert (await standin.sim.enter_card(session.id)).status_code == 303
    assert await cards_of(client, session) == ["4242"]


@pytest.mark.parametrize(("outcome", "cards"), [("complete", ["3184"]), ("fail", [])])
async def test_a_card_with_three_d_secure_goes_by_the_banks_page(
    client: stripe.StripeClient, standin: RunningStandin, outcome: str, cards: list[str]
) -> None:
    session = await opened(client)
    led = await standin.sim.enter_card(session.id, "4000002760003184")
    bank = httpx.URL(led.headers["location"])
    async with httpx.AsyncClient(base_url=standin.api_base) as page:
        assert (await page.get(bank)).status_code == 200
        form = {"client_secret": bank.params["client_secret"], "outcome": outcome}
        back = await page.post(bank.path, data=form)
    good = f"https://shop.example/done?s={session.id}"
    assert back.headers["location"] == (good if outcome == "complete" else f"/c/pay/{session.id}")
    assert await cards_of(client, session) == cards


async def test_the_page_says_that_it_is_simulated_and_loads_nothing_from_outside(
    client: stripe.StripeClient, standin: RunningStandin
) -> None:
    session = await opened(client)
    async with httpx.AsyncClient(base_url=standin.api_base) as page:
        shown = await page.get(str(session.url))
        style = await page.get("/assets/standin.css")
        script = await page.get("/v3/")
    policy = shown.headers["content-security-policy"]
    assert "SIMULATED" in shown.text
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://shop.example" in policy
    assert "<script" not in shown.text
    assert "http" not in shown.text.replace("https://shop.example/cancel", "")
    assert (style.status_code, script.status_code) == (200, 200)
    assert script.headers["content-type"].startswith("text/javascript")


async def test_a_session_left_open_expires_after_a_day(client: stripe.StripeClient, standin: RunningStandin) -> None:
    session = await opened(client)
    await standin.sim.advance(24 * 3600 + 1)
    assert (await standin.sim.enter_card(session.id)).status_code == 410
    assert (await client.v1.checkout.sessions.retrieve_async(session.id)).status == "expired"
    assert "checkout.session.expired" in [event["type"] for event in await standin.sim.objects("event")]


async def test_only_setup_mode_is_served(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await opened(client, mode="payment")
    assert refused.value.param == "mode"


async def test_a_receipt_can_be_read_by_whoever_has_its_address(client: stripe.StripeClient) -> None:
    params: Any = {"amount": 2505, "currency": "usd", "payment_method_types": ["card"], "confirm": True}
    params |= {"payment_method": "pm_card_visa", "expand": ["latest_charge"]}
    paid = await client.v1.payment_intents.create_async(params=params)
    charge: Any = paid.latest_charge
    async with httpx.AsyncClient() as page:
        shown = await page.get(charge.receipt_url)
        assert "25.05 USD" in shown.text
        assert (await page.get(charge.receipt_url + "x")).status_code == 404
