"""The stage: fresh servers, a migrated database, the whole system on a free port. All gone when the block ends."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.demo.paper import Paper
from deploy.local.servers import AMQP_VARIABLES, CHECKOUT, Servers, private_servers
from services.commands.payment_provider import Provider, hold_of_clock, payment_provider
from services.everything import SERVICES
from shared.logging import configure_logging
from shared.postgres.migrations import migrate
from shared.runtime import host
from shared.settings import Settings

FOLDER: Final = CHECKOUT / ".ringfence" / "demo"
LOG_NAME: Final = "ringfence.log"
ROLES: Final = "ringfence_demo"
GIVEN: Final = ("RINGFENCE_POSTGRES_URL", "RINGFENCE_AMQP_URL", *AMQP_VARIABLES.values())


@dataclass(frozen=True)
class Stage:
    """Where everything is. `platform_environment` is all that the platform is told."""

    http_url: str
    postgres_url: str
    amqp_url: str
    log: Path
    platform_environment: dict[str, str]


@asynccontextmanager
async def stage(paper: Paper) -> AsyncIterator[Stage]:
    """Set up with a line for each step and how long it took."""
    _forget_settings()
    async with (
        _timed_servers(paper) as servers,
        _database(servers) as postgres_url,
    ):
        with _timed(paper, "database migrated") as outcome:
            names = await migrate(postgres_url, role_prefix=ROLES)
            outcome.append(f"{len(names)} migrations")
        with _logging_to(servers.folder / LOG_NAME) as log:
            async with _system(paper, servers, postgres_url, log) as ready:
                yield ready


def _forget_settings() -> None:
    """Only the servers may be given: everything else is as on a fresh deployment, so that the cents are the same."""
    for name in list(os.environ):
        if name.startswith("RINGFENCE_") and name not in GIVEN:
            del os.environ[name]
    os.environ.pop("STRIPE_API_KEY", None)


@asynccontextmanager
async def _timed_servers(paper: Paper) -> AsyncIterator[Servers]:
    began = time.monotonic()

    def report(line: str) -> None:
        paper.say(f"    {time.monotonic() - began:4.1f} s  {line}", style="dim")

    given = [name for name in ("RINGFENCE_POSTGRES_URL", "RINGFENCE_AMQP_URL") if os.environ.get(name)]
    report(f"using what {' and '.join(given)} name" if given else "starting PostgreSQL and RabbitMQ, private ones")
    async with private_servers(FOLDER, keep_data=False, report=report, if_busy="next") as servers:
        places = f"PostgreSQL :{_port(servers.postgres_url)}, RabbitMQ :{_port(servers.amqp_urls['operator'])}"
        paper.step("servers up", f"{places}, {time.monotonic() - began:.1f} s")
        yield servers


@contextmanager
def _timed(paper: Paper, what: str) -> Iterator[list[str]]:
    began = time.monotonic()
    outcome: list[str] = []
    yield outcome
    paper.step(what, ", ".join([*outcome, f"{time.monotonic() - began:.1f} s"]))


@asynccontextmanager
async def _database(servers: Servers) -> AsyncIterator[str]:
    """A private server is fresh as it is; on a given one the demo makes a database of its own and drops it again."""
    if not os.environ.get("RINGFENCE_POSTGRES_URL"):
        yield servers.postgres_url
        return
    name = f"{ROLES}_{secrets.token_hex(4)}"
    await _execute(servers.postgres_url, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(servers.postgres_url)._replace(path=f"/{name}"))
    finally:
        await _execute(servers.postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def _logging_to(path: Path) -> Iterator[Path]:
    """Everything the system logs goes into the file: the terminal is for the day."""
    with path.open("w", encoding="utf-8") as file:
        configure_logging("info", "json")
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
        terminal = handler.setStream(file)
        logging.captureWarnings(True)
        try:
            yield path
        finally:
            logging.captureWarnings(False)
            handler.setStream(terminal)


@asynccontextmanager
async def _system(paper: Paper, servers: Servers, postgres_url: str, log: Path) -> AsyncIterator[Stage]:
    began = time.monotonic()
    key = f"rf_platform_{secrets.token_urlsafe(24)}"
    amqp = servers.amqp_urls
    settings = Settings(
        postgres_url=postgres_url, amqp_url=amqp["operator"], http_port=0, test_clock=True, platform_key=key
    )
    async with (
        _provider(servers.folder, settings) as provider,
        host(SERVICES, provider.settings) as hosted,
    ):
        hold_of_clock(provider, hosted.host.clock)
        names = ", ".join(hosted.running)
        paper.step("system up", f"{names} on {hosted.url}, {time.monotonic() - began:.1f} s")
        paper.step("payments", provider.description)
        yield Stage(
            http_url=hosted.url,
            postgres_url=postgres_url,
            amqp_url=amqp["operator"],
            log=log.relative_to(CHECKOUT),
            platform_environment={
                "RINGFENCE_HTTP_URL": hosted.url,
                "RINGFENCE_PLATFORM_KEY": key,
                "RINGFENCE_AMQP_PLATFORM_URL": amqp.get("platform", amqp["operator"]),
                "RINGFENCE_AMQP_DASHBOARD_URL": amqp.get("dashboard", amqp["operator"]),
                **{name: provider.environment[name] for name in provider.environment if name.endswith("_API_URL")},
            },
        )


@asynccontextmanager
async def _provider(folder: Path, settings: Settings) -> AsyncIterator[Provider]:
    """A stand-in goes on where its folder stops: a demo begins with none, and leaves none."""
    data = folder / "stripe"
    shutil.rmtree(data, ignore_errors=True)
    try:
        async with payment_provider(folder, SERVICES, settings) as provider:
            yield provider
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _port(url: str) -> int | None:
    return urlsplit(url).port
