"""`ringfence run`: host services until SIGINT or SIGTERM, with private servers unless some are given.

Without `--services` it is the whole system (`make run`): it migrates, makes its keys and a demo account, writes
`.ringfence/env` and says where everything is. With `--services` it hosts those alone, as each container does.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import httpx
import typer
import uvloop

from deploy.local.servers import Servers, private_servers
from services.commands import keys
from services.commands.banner import Banner, show
from services.commands.environment import forget_environment, home, write_environment
from services.commands.failures import CommandFailed, ExitCode
from services.commands.payment_provider import Provider, hold_of_clock, payment_provider
from services.everything import SERVICES
from shared.collector import relax_collector
from shared.logging import configure_logging
from shared.postgres.migrations import migrate
from shared.runtime import Hosted, host
from shared.service import Service
from shared.settings import Settings

ServicesOption = Annotated[
    str | None,
    typer.Option("--services", metavar="NAME,NAME…", help=f"Only these: {', '.join(s.name for s in SERVICES)}."),
]
MigrateOption = Annotated[
    bool | None, typer.Option("--migrate/--no-migrate", help="Migrate first; the default unless --services is given.")
]


def run(services: ServicesOption = None, migrate: MigrateOption = None) -> None:
    """Run Ringfence until Ctrl-C.

    Uses the servers of RINGFENCE_POSTGRES_URL and RINGFENCE_AMQP_URL; where one is not set, a private one is started
    in .ringfence/run, on 127.0.0.1, and stopped again; its data is kept. Exit code 1: it could not start.
    """
    chosen = chosen_services(services)
    is_whole = services is None
    relax_collector()
    uvloop.run(_until_told(_serve(chosen, is_whole, migrates=is_whole if migrate is None else migrate)))


def chosen_services(names: str | None) -> Sequence[Service]:
    """The services named, comma-separated; all without names. Raises CommandFailed for a name that is none."""
    if names is None:
        return SERVICES
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {service.name: service for service in SERVICES}
    if unknown := [name for name in wanted if name not in known]:
        message = f"there is no service {', '.join(unknown)}; there are {', '.join(known)}"
        raise CommandFailed(message, ExitCode.COULD_NOT)
    if not wanted:
        raise CommandFailed("--services names none", ExitCode.COULD_NOT)
    return [known[name] for name in dict.fromkeys(wanted)]


async def _until_told(serving: object) -> None:
    """Run until a signal, then let everything stop in its order: a second Ctrl-C does not cut that short."""
    assert asyncio.iscoroutine(serving)
    task = asyncio.ensure_future(serving)
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            print("\nStopping…", file=sys.stderr, flush=True)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise


async def _serve(services: Sequence[Service], is_whole: bool, *, migrates: bool) -> None:
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(private_servers(home() / "run", keep_data=True, report=_to_stderr))
        settings = _settings(servers, is_whole)
        configure_logging(settings.log_level, settings.log_format)
        if migrates:
            await migrate(servers.postgres_url)
        provider = await stack.enter_async_context(payment_provider(servers.folder, services, settings))
        hosted = await stack.enter_async_context(host(services, provider.settings))
        hold_of_clock(provider, hosted.host.clock)
        if is_whole:
            await stack.enter_async_context(_introduced(servers, provider, hosted))
        await asyncio.Event().wait()


def _settings(servers: Servers, is_whole: bool) -> Settings:
    """The environment's, with the servers' addresses and, in the whole system, a key of our own if none is set.

    Where a person reads the terminal, the log tells only what is wrong, in words.
    """
    given = Settings(postgres_url=servers.postgres_url, amqp_url=servers.amqp_urls["operator"])
    own: dict[str, object] = {"stripe_api_key": given.stripe_api_key or os.environ.get("STRIPE_API_KEY")}
    if is_whole:
        own["platform_key"] = given.platform_key or keys.platform_key(servers.folder)
        if "log_level" not in given.model_fields_set:
            own["log_level"] = "warning"
        if "log_format" not in given.model_fields_set and sys.stderr.isatty():
            own["log_format"] = "console"
    return given.model_copy(update=own)


@asynccontextmanager
async def _introduced(servers: Servers, provider: Provider, hosted: Hosted) -> AsyncIterator[None]:
    """The system as others find it: the demo account, `.ringfence/env`, the banner."""
    settings = hosted.host.settings
    assert settings.platform_key is not None
    url = _reachable(hosted.url)
    variables = {
        "RINGFENCE_HTTP_URL": url,
        **servers.environment(),
        "RINGFENCE_PLATFORM_KEY": settings.platform_key,
        **provider.environment,
    }
    headers = {"Authorization": f"Bearer {settings.platform_key}"}
    key = None
    if settings.environment != "production":
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            key = await keys.demo_key(servers.folder, client)
    file = write_environment(variables)
    try:
        show(
            Banner(
                variables=variables,
                environment_file=file,
                services=list(hosted.running),
                provider=provider.description,
                given=[name for name in variables if os.environ.get(name)],
                demo_key=key,
                now=hosted.host.clock.now(),
            )
        )
        yield
    finally:
        forget_environment(variables)


def _reachable(url: str) -> str:
    """Where this machine reaches what listens everywhere."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
