"""The stand-in inside another process: for tests, and for whoever wants it without a process of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.clock import Clock, SystemClock

from .app import create_app
from .control_client import Sim
from .exchanges import Observer, ignore
from .server import listen, server_config, serving
from .settings import Settings

SECRET_KEY = "sk_test_standin_0123456789abcdef"
PUBLISHABLE_KEY = "pk_test_standin_0123456789abcdef"
WEBHOOK_SECRET = "whsec_standin_0123456789abcdef"


@dataclass(frozen=True)
class RunningStandin:
    """`api_base` is what `StripeClient(base_addresses={"api": …})` takes."""

    api_base: str
    secret_key: str
    publishable_key: str
    restricted_key: str
    webhook_secret: str
    sim: Sim


@asynccontextmanager
async def running_standin(
    folder: Path,
    *,
    clock: Clock | None = None,
    port: int = 0,
    webhook_url: str | None = None,
    webhook_secret: str = WEBHOOK_SECRET,
    webhook_retry_seconds: float = 0.05,
    webhook_attempts_max: int = 16,
    observe: Observer = ignore,
) -> AsyncIterator[RunningStandin]:
    """Runs on the present loop, on 127.0.0.1, with the control plane. What `folder` holds goes on."""
    listener = listen(port)
    api_base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        folder=folder,
        public_base=api_base,
        secret_key=SECRET_KEY,
        publishable_key=PUBLISHABLE_KEY,
        control_plane=True,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        webhook_retry_seconds=webhook_retry_seconds,
        webhook_attempts_max=webhook_attempts_max,
    )
    app = create_app(settings, clock or SystemClock(), observe)
    # Plain HTTP to this machine: loading certificates would only cost time.
    control = httpx.AsyncClient(base_url=api_base, trust_env=False, verify=False)
    async with serving(server_config(app), listener), control as http:
        yield RunningStandin(
            api_base=api_base,
            secret_key=settings.secret_key,
            publishable_key=settings.publishable_key,
            restricted_key=settings.restricted_key,
            webhook_secret=webhook_secret,
            sim=Sim(http),
        )
