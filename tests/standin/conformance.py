"""What the conformance tests share: Stripe's client on the stand-in, or on Stripe's test mode where a key is set."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import stripe

from deploy.local.stripe_standin import running_standin
from tests.standin.clients import stripe_client
from tests.standin.witness import SpecWitness

GIVEN_KEY = os.environ.get("STRIPE_API_KEY")
"""As it was when the tests were collected: other tests set a stand-in's key for as long as they run."""

CARD: dict[str, Any] = {"currency": "usd", "payment_method_types": ["card"]}


@asynccontextmanager
async def conforming_client(folder: Path) -> AsyncIterator[stripe.StripeClient]:
    """With `STRIPE_API_KEY=sk_test_…` the questions go to Stripe itself."""
    key = GIVEN_KEY
    if key:
        assert key.startswith(("sk_test_", "rk_test_")), "only test mode: these tests charge cards"
        async with stripe_client("https://api.stripe.com", key, timeout_seconds=60) as made:
            yield made
        return
    witness = SpecWitness()
    async with (
        running_standin(folder, observe=witness.observe) as standin,
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


async def soon(listing: Any, params: dict[str, str]) -> Any:
    """The first of a list that Stripe fills a moment later."""
    for _ in range(60):
        found = (await listing(params=params)).data
        if found:
            return found[0]
        await asyncio.sleep(1)
    raise AssertionError("nothing came within a minute")
