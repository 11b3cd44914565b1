"""Who stands behind payments while `ringfence run` is up: the real Stripe, or a stand-in that moves no money.

With STRIPE_API_KEY the real one is used, and nothing is done here. Without, and where payments is hosted, the
stand-in runs in this process, keeps its data beside the servers' and calls back to our webhook.
"""

import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from deploy.local.stripe_standin import RunningStandin, running_standin
from shared.clock import Clock, SystemClock
from shared.service import Service
from shared.settings import Settings

PAYMENTS = "payments"
WEBHOOK_PATH = "/v1/stripe/webhook"
PORTS_TRIED_MAX = 50


class BorrowedClock:
    """The machine's clock until there is one to borrow: the stand-in starts first and must tell the same time."""

    def __init__(self) -> None:
        self.lender: Clock = SystemClock()

    def now(self) -> datetime:
        return self.lender.now()


@dataclass(frozen=True)
class Provider:
    """`settings`: for the host, with the port that the webhook calls. `environment`: what others need to know;
    `standin` and its `clock`: where the provider is simulated here."""

    description: str
    settings: Settings
    environment: Mapping[str, str] = field(default_factory=dict)
    clock: BorrowedClock = field(default_factory=BorrowedClock)
    standin: RunningStandin | None = None


def hold_of_clock(provider: Provider, clock: Clock) -> None:
    """From now on the stand-in tells the system's time, also when a test moves it."""
    provider.clock.lender = clock


@asynccontextmanager
async def payment_provider(folder: Path, services: Sequence[Service], settings: Settings) -> AsyncIterator[Provider]:
    """The provider for as long as the block runs."""
    if PAYMENTS not in [service.name for service in services]:
        yield Provider("none: payments is not part of this process", settings)
    elif settings.stripe_api_key:
        yield Provider(_given(settings.stripe_api_key), settings, _standin_elsewhere())
    else:
        async with _standin(folder, settings) as provider:
            yield provider


def _given(key: str) -> str:
    if url := os.environ.get("RINGFENCE_STRIPE_API_URL"):
        return f"SIMULATED: a Stripe stand-in at {url}; no real money moves"
    return "Stripe, LIVE: real cards are charged" if "_live_" in key else "Stripe, test mode: no real money moves"


def _standin_elsewhere() -> dict[str, str]:
    names = ("RINGFENCE_STRIPE_API_URL", "RINGFENCE_STRIPE_PUBLISHABLE_KEY", "RINGFENCE_STRIPE_WEBHOOK_SECRET")
    return {name: os.environ[name] for name in names if os.environ.get(name)} if os.environ.get(names[0]) else {}


@asynccontextmanager
async def _standin(folder: Path, settings: Settings) -> AsyncIterator[Provider]:
    port = _free_port(settings.http_host, settings.http_port)
    clock = BorrowedClock()
    data = folder / "stripe"
    data.mkdir(exist_ok=True)
    async with running_standin(data, clock=clock, webhook_url=f"http://127.0.0.1:{port}{WEBHOOK_PATH}") as standin:
        environment = {
            "RINGFENCE_STRIPE_API_URL": standin.api_base,
            "RINGFENCE_STRIPE_SECRET_KEY": standin.secret_key,
            "RINGFENCE_STRIPE_PUBLISHABLE_KEY": standin.publishable_key,
            "RINGFENCE_STRIPE_WEBHOOK_SECRET": standin.webhook_secret,
        }
        with _set({**environment, "STRIPE_API_KEY": standin.secret_key}):
            yield Provider(
                description=f"SIMULATED: a Stripe stand-in at {standin.api_base}; no real money moves",
                settings=settings.model_copy(update={"http_port": port, "stripe_api_key": standin.secret_key}),
                environment=environment,
                clock=clock,
                standin=standin,
            )


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Payments reads its settings from the environment, as it does everywhere else."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _free_port(address: str, first: int) -> int:
    """The port the host will take: the one wanted, or the next free one."""
    for port in [0] if first == 0 else range(first, first + PORTS_TRIED_MAX):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    return first
