"""Where everything is measured: private servers, a migrated database, child processes that end with us."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from benchmarks.cpu import Meter
from deploy.local.processes import ServerProcess, free_port, tail
from deploy.local.servers import CHECKOUT, Servers, private_servers
from shared.clock import SystemClock
from shared.postgres.migrations import migrate

FOLDER = CHECKOUT / ".ringfence" / "bench"
PLATFORM_KEY = "rf_platform_for_the_benchmarks"
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 15.0
SHORT = 20


@dataclass
class Stage:
    """The servers, and the database the services use. `url` is the owner's, as the services get it.

    `short`: everything runs, a twentieth of it, and no figure means anything. `more_transfers`: sizes of the books that
    growth is asked to look at besides its own.
    """

    servers: Servers
    url: str
    short: bool = False
    more_transfers: tuple[int, ...] = ()
    _databases: int = field(default=0)

    def many(self, count: int, *, whole: int = 1) -> int:
        """So many, or far fewer in a short run; a multiple of `whole`."""
        return count if not self.short else max(1, count // SHORT // whole) * whole

    def seconds(self, seconds: int) -> int:
        return 1 if self.short else seconds

    def rounds(self, rounds: int) -> int:
        return 1 if self.short else rounds

    def meter(self, **ours: int) -> Meter:
        """CPU time of both servers, of processes of ours by name, and of this one."""
        return Meter.of(self.servers.folder, us=os.getpid(), **ours)

    @property
    def amqp_url(self) -> str:
        return self.servers.amqp_urls["operator"]

    async def database(self, name: str) -> str:
        """An empty database on the same server."""
        return await _fresh_database(self.servers.postgres_url, name)

    async def books(self) -> str:
        """A migrated database of its own, so that one benchmark does not slow the next."""
        self._databases += 1
        url = await self.database(f"bench_{self._databases}")
        await migrate(url, role_prefix="bench")
        return url

    def environment(self, url: str) -> dict[str, str]:
        """What a process of ours reads."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        return ours | {
            "RINGFENCE_POSTGRES_URL": url,
            "RINGFENCE_AMQP_URL": self.amqp_url,
            "RINGFENCE_PLATFORM_KEY": PLATFORM_KEY,
            "RINGFENCE_RATE_LIMIT_PER_SECOND": "0",
            "RINGFENCE_LOG_LEVEL": "error",
            "PYTHONPATH": str(CHECKOUT),
        }


@asynccontextmanager
async def stage(*, short: bool = False, more_transfers: tuple[int, ...] = ()) -> AsyncIterator[Stage]:
    """Both servers, empty; gone when the block ends."""
    async with private_servers(FOLDER, keep_data=False, report=_to_stderr, if_busy="next") as servers:
        yield Stage(servers, servers.postgres_url, short, more_transfers)


async def _fresh_database(server_url: str, name: str) -> str:
    admin = await asyncpg.connect(server_url)
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{name}"')
    finally:
        await admin.close()
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours that answers on `url`."""

    url: str
    process: ServerProcess

    @property
    def pid(self) -> int:
        return self.process.pid


@asynccontextmanager
async def child(
    stage: Stage, name: str, module: str, arguments: list[str], url: str, more: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """`python -m module` with the address in RINGFENCE_HTTP_PORT, until it answers; stopped on the way out."""
    port = free_port()
    folder = stage.servers.folder
    process = ServerProcess.start(
        [sys.executable, "-m", module, *arguments],
        environment=stage.environment(url)
        | {"RINGFENCE_HTTP_PORT": str(port), "RINGFENCE_HOME": str(folder / name), **(more or {})},
        log=folder / f"{name}.log",
        pid_file=folder / f"{name}.pid",
        stop_signal=signal.SIGTERM,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        await _answering(process, address)
        yield Child(address, process)
    finally:
        await process.stop(signal.SIGTERM, patience_seconds=STOP_SECONDS_MAX)


@asynccontextmanager
async def services(
    stage: Stage, name: str, url: str, names: str, more: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """`ringfence run --services …` as each container runs it; `more` goes into its environment."""
    async with child(stage, name, "services", ["run", "--services", names], url, more) as started:
        yield started


async def _answering(process: ServerProcess, url: str) -> None:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + START_SECONDS_MAX
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while True:
            try:
                await client.get("/healthz")
            except httpx.TransportError:
                if not process.running or loop.time() > give_up:
                    raise SystemExit(f"a process did not start:\n{tail(process.log)}") from None
                await asyncio.sleep(0.1)
            else:
                return


def now_text() -> Mapping[str, str]:
    """When and on what this was measured, for the head of the table."""
    load = os.getloadavg()[0]
    return {"at": f"{SystemClock().now():%Y-%m-%d %H:%M} UTC", "load": f"{load:.1f}", "cores": str(os.cpu_count())}


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
