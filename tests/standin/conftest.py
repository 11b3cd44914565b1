"""A stand-in of each test's own, its clients, a webhook receiver; everything it says is held to Stripe's OpenAPI."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stripe

from deploy.local.stripe_standin import RunningStandin, running_standin
from tests.standin.clients import stripe_client
from tests.standin.receiver import Receiver, running_receiver
from tests.standin.stripe_spec import stripe_spec
from tests.standin.witness import SpecWitness


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as running:
        yield running


@pytest.fixture
async def standin(tmp_path: Path, receiver: Receiver) -> AsyncIterator[RunningStandin]:
    witness = SpecWitness()
    async with running_standin(tmp_path, webhook_url=receiver.url, observe=witness.observe) as running:
        yield running
        for event in await running.sim.objects("event"):
            witness.findings += stripe_spec().check_event(event)
    assert witness.findings == []


@pytest.fixture
async def client(standin: RunningStandin) -> AsyncIterator[stripe.StripeClient]:
    async with stripe_client(standin.api_base, standin.secret_key) as made:
        yield made


@pytest.fixture
async def browser(standin: RunningStandin) -> AsyncIterator[stripe.StripeClient]:
    """The client of a page: it has the publishable key only."""
    async with stripe_client(standin.api_base, standin.publishable_key) as made:
        yield made
