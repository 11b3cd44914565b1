"""The steps of docs/migrating that touch money, cards and numbers do what they say."""

import os
from datetime import timedelta

import asyncpg
import httpx

from shared.clock import rfc3339
from shared.runtime import Hosted
from tests.services.ledger.steps import until


async def test_a_balance_is_taken_over_once_however_often_the_script_runs(platform: httpx.AsyncClient) -> None:
    opened = await platform.post("/v1/accounts", json={"id": "ada", "name": "Ada", "signup_credit_cents": 0})
    assert opened.json()["balance_cents"] == 0
    for _ in range(2):
        answer = await platform.post(
            "/v1/accounts/ada/adjustments",
            json={"amount_cents": 4723, "description": "Balance taken over"},
            headers={"Idempotency-Key": "takeover-ada"},
        )
        assert answer.status_code == 201
    assert (await platform.get("/v1/accounts/ada")).json()["balance_cents"] == 4723


async def test_a_stripe_customer_and_its_card_are_taken_over(ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    """Before, the card is a stranger's; afterwards it is charged as the account's own."""
    await platform.post("/v1/accounts", json={"id": "ada", "name": "Ada", "signup_credit_cents": 0})
    ours = {"Ringfence-Account": "ada"}
    stripe = httpx.AsyncClient(base_url=os.environ["RINGFENCE_STRIPE_API_URL"], auth=(os.environ["STRIPE_API_KEY"], ""))
    async with stripe:
        customer = (await stripe.post("/v1/customers", data={"name": "Ada"})).json()["id"]
        attached = await stripe.post("/v1/payment_methods/pm_card_visa/attach", data={"customer": customer})
    card = {"payment_method_id": attached.json()["id"]}

    operator = await asyncpg.connect(ringfence.host.settings.postgres_url)
    await operator.execute(
        "INSERT INTO payments.customers (account_id, provider, customer_id, created_at) VALUES ($1, 'stripe', $2, now())",
        "ada",
        customer,
    )
    await operator.close()
    await platform.post("/v1/accounts", json={"id": "eve", "name": "Eve"})
    stranger = await platform.post(
        "/v1/billing/default-payment-method", json=card, headers={"Ringfence-Account": "eve"}
    )
    assert stranger.status_code == 404
    assert (await platform.post("/v1/billing/default-payment-method", json=card, headers=ours)).status_code == 200
    paid = await platform.post("/v1/billing/top-up", json={"amount_cents": 2500}, headers=ours)
    assert paid.json()["status"] == "succeeded"
    assert (await platform.get("/v1/billing", headers=ours)).json()["balance_cents"] == 2500


async def test_a_number_keeps_its_rhythm_when_its_last_fee_date_is_told(
    ringfence: Hosted, platform: httpx.AsyncClient
) -> None:
    await platform.post("/v1/accounts", json={"id": "ada", "name": "Ada", "signup_credit_cents": 1000})
    last_fee = ringfence.host.clock.now() - timedelta(days=10)
    data = {"account_id": "ada", "number_id": "n1", "number": "+15550123", "at": rfc3339(last_fee)}
    event = {
        "specversion": "1.0",
        "id": "takeover-number-1",
        "source": "takeover",
        "type": "number.rented",
        "data": data,
    }
    assert (await platform.post("/v1/usage", json=event)).status_code == 202

    async def balance_cents() -> int:
        cents: int = (await platform.get("/v1/accounts/ada")).json()["balance_cents"]
        return cents

    async def has_number() -> bool:
        return (await platform.get("/v1/numbers?account_id=ada")).json()["total"] == 1

    await until(has_number)
    await platform.post("/v1/test/clock", json={"advance_seconds": 19 * 86_400})
    assert await balance_cents() == 1000
    await platform.post("/v1/test/clock", json={"advance_seconds": 2 * 86_400})

    async def charged() -> bool:
        return await balance_cents() == 750

    await until(charged)
