"""The system as it is deployed: a process per service, real servers, and a proxy between each two that talk."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
from yarl import URL

from deploy.local.processes import free_port
from deploy.local.servers import Servers
from deploy.local.stripe_standin.control_client import Sim
from shared.messaging.rabbit import Rabbit
from tests.faults.processes import ROOT, Nursery, Replica, nursery
from tests.faults.proxy import FINE, FaultProxy, Weather
from tests.faults.wire import NoAnswer, Wire

PLATFORM_KEY = "rf_platform_for_the_faults"
SERVICES = ("ledger", "gatekeeper", "payments", "scheduler", "subscriptions", "portal")
START_PATIENCE_S = 60.0
SOON = {
    "RINGFENCE_TICK_HOLDS_SECONDS": "2",
    "RINGFENCE_TICK_RECHARGE_SECONDS": "2",
    "RINGFENCE_TICK_RENEWALS_SECONDS": "2",
    "RINGFENCE_TICK_DUE_DATES_SECONDS": "2",
    "RINGFENCE_TICK_NUMBER_FEES_SECONDS": "2",
    "RINGFENCE_TICK_RECONCILE_SECONDS": "5",
    "RINGFENCE_SUBSCRIPTIONS_WATCH_SECONDS": "0.5",
    "RINGFENCE_SWEEP_SECONDS": "2",
    "RINGFENCE_EVENT_PULL_SECONDS": "5",
}
"""Cadences that a short run gets to see."""


@dataclass
class Party:
    """A replica with a proxy of its own to each of those it talks to."""

    replica: Replica
    postgres: FaultProxy
    amqp: FaultProxy
    http: FaultProxy
    stripe: FaultProxy
    direct_url: str

    @property
    def url(self) -> str:
        """Where clients reach it: through its proxy."""
        return f"http://127.0.0.1:{self.http.port}"

    @property
    def links(self) -> dict[str, FaultProxy]:
        return {"postgres": self.postgres, "amqp": self.amqp, "http": self.http, "stripe": self.stripe}

    def turn(self, weather: Weather, *names: str) -> None:
        for name in names or self.links:
            self.links[name].turn(weather)

    async def is_ready(self, wire: Wire) -> bool:
        try:
            return (await wire.ask("GET", f"{self.direct_url}/readyz", timeout_s=3)).status == 200
        except NoAnswer:
            return False


@dataclass
class Stage:
    """Everything that runs, and the doors through which a test looks and acts, which no fault touches."""

    servers: Servers
    database_url: str
    folder: Path
    parties: dict[str, Party]
    wire: Wire
    sim: Sim
    standin_pid: int
    seed: int
    notes: list[str] = field(default_factory=list)

    @property
    def platform_amqp(self) -> str:
        return self.servers.amqp_urls["platform"]

    def of(self, service: str) -> list[Party]:
        """All replicas of a service."""
        return [party for party in self.parties.values() if party.replica.service == service]

    def turn_all(self, weather: Weather, *links: str) -> None:
        for party in self.parties.values():
            party.turn(weather, *links)

    def reset_all(self, *links: str) -> int:
        return sum(party.links[name].reset() for party in self.parties.values() for name in links)

    async def ready(self, *names: str, patience_s: float = START_PATIENCE_S) -> float:
        """Wait until these replicas (all) say that they can work; how long that took."""
        began = time.monotonic()
        waiting = {name: self.parties[name] for name in names or self.parties}
        while waiting:
            waiting = {name: party for name, party in waiting.items() if not await party.is_ready(self.wire)}
            if waiting and time.monotonic() - began > patience_s:
                raise AssertionError(f"not ready within {patience_s} s: {sorted(waiting)}; logs in {self.folder}")
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def restart(self, name: str) -> None:
        """Start what was killed, on its old port."""
        await self.parties[name].replica.start()

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the books as their owner, past every proxy; waits for a server that is away."""
        for _ in range(200):
            try:
                connection = await asyncpg.connect(self.database_url, timeout=5)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.2)
                continue
            try:
                return await connection.fetch(query, *arguments)
            finally:
                await connection.close()
        raise AssertionError("the database did not come back")

    async def fetchval(self, query: str, *arguments: object) -> object:
        (row,) = await self.fetch(query, *arguments)
        return row[0]

    async def move_clock(self, **body: object) -> None:
        url = f"{self.of('ledger')[0].direct_url}/v1/test/clock"
        answer = await self.wire.ask("POST", url, body, key=PLATFORM_KEY)
        assert answer.status == 200, answer.body


@dataclass(frozen=True)
class Plan:
    """Which replicas there are. `skewed`: the machine's clock of these is wrong, by what the case writes in a file."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    skewed: Sequence[str] = ()
    services: Sequence[str] = SERVICES


@asynccontextmanager
async def staged(
    servers: Servers, database_url: str, folder: Path, *, seed: int, plan: Plan | None = None
) -> AsyncIterator[Stage]:
    """All processes up and ready; ended in the end, whatever happened. The broker's queues should be empty."""
    plan = plan or Plan()
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    async with AsyncExitStack() as stack:
        born = await stack.enter_async_context(nursery())
        ports = {name: free_port() for name in _names(plan)}
        webhook_port = ports.get("payments", 1)
        standin = await stack.enter_async_context(_standin(folder, webhook_port))
        wire = Wire()
        stack.callback(wire.close)
        parties = {}
        for name, service in _names(plan).items():
            parties[name] = await _party(
                stack, servers, database_url, folder, born, name, service, ports[name], standin, name in plan.skewed
            )
        sim = Sim(
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=standin["api_base"], trust_env=False, verify=False)
            )
        )
        stage = Stage(servers, database_url, folder, parties, wire, sim, int(standin["pid"]), seed)
        stack.push_async_callback(_end_all, parties)
        for party in parties.values():
            await party.replica.start()
        await stage.ready()
        yield stage


def _names(plan: Plan) -> dict[str, str]:
    """Replica → service: ledger, ledger-2, …"""
    return {
        service if number == 1 else f"{service}-{number}": service
        for service in plan.services
        for number in range(1, plan.replicas.get(service, 1) + 1)
    }


async def _party(
    stack: AsyncExitStack,
    servers: Servers,
    database_url: str,
    folder: Path,
    born: Nursery,
    name: str,
    service: str,
    port: int,
    standin: Mapping[str, str],
    is_skewed: bool,
) -> Party:
    async def proxy(target: int) -> FaultProxy:
        return await stack.enter_async_context(FaultProxy(target))

    postgres = await proxy(urlsplit(database_url).port or 5432)
    amqp = await proxy(urlsplit(servers.amqp_urls["operator"]).port or 5672)
    stripe = await proxy(urlsplit(standin["api_base"]).port or 80)
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("RINGFENCE_", "STRIPE_"))},
        **SOON,
        "RINGFENCE_HOME": str(folder / f"home-{name}"),
        "RINGFENCE_POSTGRES_URL": str(URL(database_url).with_port(postgres.port)),
        "RINGFENCE_AMQP_URL": str(URL(servers.amqp_urls["operator"]).with_port(amqp.port)),
        "RINGFENCE_HTTP_PORT": str(port),
        "RINGFENCE_TEST_CLOCK": "1",
        "RINGFENCE_RATE_LIMIT_PER_SECOND": "0",
        "RINGFENCE_PLATFORM_KEY": PLATFORM_KEY,
        "RINGFENCE_LOG_FORMAT": "json",
        "STRIPE_API_KEY": standin["secret_key"],
        "RINGFENCE_STRIPE_API_URL": f"http://127.0.0.1:{stripe.port}",
        "RINGFENCE_STRIPE_WEBHOOK_SECRET": standin["webhook_secret"],
        "RINGFENCE_STRIPE_PUBLISHABLE_KEY": standin["publishable_key"],
    }
    skew_file = None
    if is_skewed:
        skew_file = folder / f"{name}.skew"
        set_skew(skew_file, 0)
    replica = Replica(name, service, environment, folder / f"{name}.log", born, skew_file)
    return Party(replica, postgres, amqp, await proxy(port), stripe, f"http://127.0.0.1:{port}")


def set_skew(file: Path, seconds: float) -> None:
    """The machine's clock of the replica is off by so much from now on."""
    with file.open("r+" if file.exists() else "w") as opened:
        opened.write(f"{seconds:<32}")


async def _end_all(parties: Mapping[str, Party]) -> None:
    for party in parties.values():
        party.turn(FINE)
    await asyncio.gather(*(_end(party.replica) for party in parties.values()))


async def _end(replica: Replica) -> None:
    try:
        async with asyncio.timeout(15):
            await replica.stop()
    except TimeoutError:
        await replica.kill()


@asynccontextmanager
async def _standin(folder: Path, webhook_port: int) -> AsyncIterator[dict[str, str]]:
    """The payment provider as a process of its own: it outlives everything we do to payments."""
    data = folder / "stripe"
    data.mkdir(exist_ok=True)
    with (folder / "stripe.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *["-m", "deploy.local.stripe_standin", "--folder", str(data), "--sim"],
            *["--webhook-url", f"http://127.0.0.1:{webhook_port}/v1/stripe/webhook"],
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        yield {**json.loads(await process.stdout.readline()), "pid": str(process.pid)}
    finally:
        process.terminate()
        await process.wait()


async def until(holds: Callable[[], Awaitable[object]], *, seconds: float, what: str) -> None:
    """Wait for a fact, looking ten times a second."""
    deadline = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.1)


@asynccontextmanager
async def broker(stage: Stage) -> AsyncIterator[Rabbit]:
    """The operator's connection to the broker, past every proxy."""
    connection = Rabbit(stage.servers.amqp_urls["operator"], name="faults")
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()
