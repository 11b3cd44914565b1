"""A seeded random soak: faults × crashes × webhook chaos; after recovery charges = credits, in every case.

RINGFENCE_SOAK_SEEDS and RINGFENCE_SOAK_STEPS make it longer.
"""

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from deploy.local.servers import Servers
from deploy.local.stripe_standin.control_client import ControlRefused
from deploy.local.stripe_standin.embedding import SECRET_KEY
from services.payments.domain.recharging import cap_month
from services.payments.inbox import pull, work_off
from services.payments.provider import NotAtProvider, ProviderUnavailable
from services.payments.sweep import sweep
from services.payments.topups import TopUp, top_up
from shared.crash_points import Crashed, arm
from shared.http_errors import ApiError
from tests.services.payments.light import Light, light_system, own_database

SEEDS = int(os.environ.get("RINGFENCE_SOAK_SEEDS", "3"))
STEPS = int(os.environ.get("RINGFENCE_SOAK_STEPS", "200"))
POINTS = (
    "charge_created",
    "charge_submitting",
    "charge_sent",
    "charge_crediting",
    "charge_credited",
    "charge_answering",
    "event_applied",
)
CARDS = ("visa", "visa", "chargeCustomerFail", "authenticationRequired", "chargeDeclinedLostCard")
CAP_CENTS = 20_000

_numbers = itertools.count(1)


@pytest.fixture
async def light(servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Light]:
    # Nobody comes back in a storm: neither Stripe's client nor a second request waits for it.
    impatient = {"RINGFENCE_PROVIDER_NETWORK_RETRIES": "0", "RINGFENCE_ADOPTED_WAIT_SECONDS": "0.1"}
    os.environ.update(impatient)
    async with (
        own_database(servers, "ringfence_payments_soak") as url,
        light_system(url, tmp_path_factory.mktemp("stripe")) as running,
    ):
        yield running
    for variable in impatient:
        del os.environ[variable]


class Soak:
    """One seed: two accounts, and everything that may happen to them."""

    def __init__(self, light: Light, seed: int) -> None:
        self.light = light
        self.random = random.Random(seed)
        self.seed = seed
        self.accounts: list[str] = []
        self.keys = itertools.count(1)

    async def begin(self) -> None:
        for place in range(2):
            account = await self.light.open_account(f"soak-{self.seed}-{place}", settle_negative=place == 1)
            await self.light.save_card(account)
            self.accounts.append(account)
        await self.light.reload(self.accounts[0], 1_000, 2_500, CAP_CENTS)

    async def step(self) -> None:
        actions = {
            self.spend: 30,
            self.top_up: 12,
            self.consider: 20,
            self.fault: 10,
            self.chaos: 5,
            self.crash: 8,
            self.time: 6,
            self.jobs: 8,
            self.card: 3,
            self.authenticate: 4,
            self.give_back: 3,
            self.dispute: 2,
        }
        chosen = self.random.choices(list(actions), weights=list(actions.values()))[0]
        with suppress(Crashed, ApiError, ProviderUnavailable, NotAtProvider, ControlRefused):
            await chosen()
        await self.bury()

    async def bury(self) -> None:
        """A crash in the background ended that work only; the process of a soak goes on."""
        await self.light.context.finish()
        self.light.context._slots = asyncio.Semaphore(16)

    @property
    def account(self) -> str:
        return self.random.choice(self.accounts)

    async def spend(self) -> None:
        await self.light.move(self.account, -self.random.randint(1, 900))

    async def top_up(self) -> None:
        key = None if self.random.random() < 0.5 else str(self.random.randint(1, 6))
        amount = self.random.choice((500, 1_000, 2_000))
        card = self.random.choice((None, None, "pm_card_visa", "pm_card_authenticationRequired"))
        request = TopUp(self.account, "POST /v1/billing/top-up", amount, card, key)

        async def is_gone() -> bool:
            return self.random.random() < 0.3

        await top_up(self.light.context, request, is_gone=is_gone)

    async def consider(self) -> None:
        await self.light.consider(self.account)

    async def fault(self) -> None:
        when, action = self.random.choice(
            (
                ("before", "reset"),
                ("after", "reset"),
                ("after", "truncate"),
                ("after", "html"),
                ("before", "status"),
                ("during", "status"),
                ("store500", "status"),
            )
        )
        path = self.random.choice(("^/v1/payment_intents$", "^/v1/payment_intents", "."))
        more = {"keep_effect": self.random.random() < 0.5} if when == "store500" else {}
        status = self.random.choice((500, 502, 429, 409))
        method = "POST" if when == "store500" else None
        times = self.random.randint(1, 4)
        await self.light.sim.fault(path, when=when, action=action, status=status, times=times, method=method, **more)

    async def chaos(self) -> None:
        await self.light.sim.webhook_fault(
            self.random.choice(("drop", "duplicate", "delay", "shuffle", "stale", "bad_sig")),
            times=self.random.randint(1, 10),
            seconds=self.random.choice((0.0, 0.05)),
        )

    async def crash(self) -> None:
        arm(f"{self.random.choice(POINTS)}:{self.random.randint(1, 2)}")

    async def time(self) -> None:
        self.light.advance(self.random.choice((30, 61, 61, 3_700, 6 * 3_600, 26 * 3_600)))

    async def jobs(self) -> None:
        await sweep(self.light.context)
        if self.random.random() < 0.5:
            with suppress(Exception):
                await pull(self.light.context)
        await work_off(self.light.context)

    async def card(self) -> None:
        account = self.account
        if self.random.random() < 0.5:
            await self.light.save_card(account, self.random.choice(("visa", "mastercard", "amex")))
            return
        query = "SELECT default_card_id FROM payments.profiles WHERE account_id = $1"
        card = await self.light.admin.fetchval(query, account)
        await self.light.sim.set_card(card, self.random.choice(CARDS))

    async def authenticate(self) -> None:
        intent = await self._intent("requires_action")
        if intent is not None:
            await self.light.sim.authenticate(intent, self.random.choice(("complete", "complete", "fail")))

    async def give_back(self) -> None:
        """A refund made in the dashboard; one in four fails later."""
        intent = await self._intent("succeeded")
        if intent is None:
            return
        form = {"payment_intent": intent, "amount": self.random.randint(1, 200)}
        made = await self._stripe("/v1/refunds", form)
        if made is not None and self.random.random() < 0.25:
            await self.light.sim.fail_refund(made["id"])

    async def dispute(self) -> None:
        intent = await self._intent("succeeded")
        if intent is None:
            return
        with suppress(ControlRefused):
            opened = await self.light.sim.dispute(payment_intent=intent, inquiry=self.random.random() < 0.3)
            if self.random.random() < 0.7:
                await self.light.sim.close_dispute(opened["id"], self.random.choice(("won", "lost")))

    async def _intent(self, status: str) -> str | None:
        query = "SELECT payment_id FROM payments.attempts WHERE account_id = ANY ($1) AND provider_status = $2"
        rows = await self.light.admin.fetch(f"{query} ORDER BY payment_id", self.accounts, status)
        return self.random.choice(rows)["payment_id"] if rows else None

    async def _stripe(self, path: str, form: dict[str, Any]) -> dict[str, Any] | None:
        headers = {"Authorization": f"Bearer {SECRET_KEY}"}
        with suppress(httpx.HTTPError):
            done = await self.light.sim._http.post(path, data=form, headers=headers)
            return done.json() if done.status_code == 200 else None
        return None

    async def prove(self) -> None:
        arm("")
        await self.light.sim.clear_faults()
        await self.light.recover()
        await self._prove_cap()

    async def _prove_cap(self) -> None:
        """Never a cent above the cap, in any month (contract §5)."""
        spent: dict[object, int] = {}
        for intent in await self.light.sim.objects("payment_intent"):
            about = intent["metadata"]
            if (
                about.get("org") == self.accounts[0]
                and about["kind"] == "auto_reload"
                and intent["status"] == "succeeded"
            ):
                row = "SELECT cap_month FROM payments.attempts WHERE payment_id = $1"
                month = await self.light.admin.fetchval(row, intent["id"])
                spent[month] = spent.get(month, 0) + intent["amount"]
        assert all(cents <= CAP_CENTS for cents in spent.values()), spent
        assert cap_month(self.light.clock.now())


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
async def test_charges_are_credits_after_any_storm(light: Light, seed: int) -> None:
    """Issue: "Random soak (faults × crashes × webhook chaos, seeded, 200 steps) holds the invariants"."""
    soak = Soak(light, seed)
    await soak.begin()
    for _ in range(STEPS):
        await soak.step()
    await soak.prove()
    await light.prove()
