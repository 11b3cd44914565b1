"""Hosts any list of services in one process: one HTTP port, one broker connection set, one announcer.

`host(services, settings)` is an async context manager; inside it everything runs. It decides nothing: what a
service does is in its `Running`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import structlog
import uvicorn
from fastapi import FastAPI
from prometheus_client import Counter

from shared import tracing
from shared.access import Access, Kind, Principal, Tenant
from shared.announcer import DELAYED_BY, Announcer
from shared.clock import Clock, MovableClock
from shared.http_app import build_app
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import Topology
from shared.postgres.pool import OUTAGES, open_pool
from shared.postgres.reading import Reading
from shared.service import Asgi, Host, Job, Running, Service
from shared.sessions import Session, Sessions
from shared.settings import Settings

SWEEP_SECONDS = 2.0
CLOCK_POLL_SECONDS = 0.2
LOOKUP_SECONDS_MAX = 2.0
PORTS_TRIED_MAX = 50

JOBS = Counter("ringfence_jobs", "Runs of a job, by how they ended.", ["job", "outcome"])

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Hosted:
    """A running process: where it answers, what is in it."""

    url: str
    host: Host
    running: dict[str, Running]
    app: FastAPI
    asgi: Asgi


class RefusedToStart(Exception):
    """The settings contradict each other or ask for something unsafe; the message says what."""


@asynccontextmanager
async def host(services: Sequence[Service], settings: Settings, *, listen: bool = True) -> AsyncIterator[Hosted]:
    """Start the services, serve until the block ends, then stop in the reverse order: no work is cut in half."""
    _refuse_unsafe(settings)
    async with AsyncExitStack() as stack:
        if tracing.start():
            stack.push_async_callback(asyncio.to_thread, tracing.stop)
        broker = Rabbit(settings.amqp_url)
        stack.push_async_callback(broker.close)
        await broker.open()
        await broker.declare(Topology(()))
        clock = MovableClock()
        # Any service's role may announce and look keys up; the first hosted one lends its own.
        shared_pool = await stack.enter_async_context(_pool(settings, services[0].name, size_max=4))
        await _follow_clock(shared_pool, clock)
        announcer = Announcer(shared_pool, broker, clock)
        context = Host(
            settings=settings,
            clock=clock,
            broker=broker,
            access=_access(shared_pool, settings, clock),
            sessions=_sessions(shared_pool, clock),
            announcer=announcer,
            open_pool=lambda service, **limits: _pool(settings, service, **limits),
        )
        await stack.enter_async_context(_task("announcer", announcer.run()))
        stack.push_async_callback(_drain, announcer)
        running = {service.name: await stack.enter_async_context(service.start(context)) for service in services}
        await _start_consumers(stack, running)
        await _start_jobs(stack, running, announcer, shared_pool, clock, settings)
        app, asgi = build_app(services, running, context)
        url = await stack.enter_async_context(_serve(asgi, settings)) if listen else ""
        log.info("started", services=[service.name for service in services], url=url)
        yield Hosted(url=url, host=context, running=running, app=app, asgi=asgi)
        log.info("stopping")


def _refuse_unsafe(settings: Settings) -> None:
    is_live = (settings.stripe_api_key or "").startswith(("sk_live_", "rk_live_"))
    if settings.test_clock and (settings.environment == "production" or is_live):
        raise RefusedToStart("RINGFENCE_TEST_CLOCK moves money's time: it is refused in production and with a live key")


@asynccontextmanager
async def _pool(settings: Settings, service: str, **limits: Any) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(settings.postgres_url, service, **{"size_max": settings.pool_size_max, **limits})
    try:
        yield pool
    finally:
        with suppress(*OUTAGES):
            async with asyncio.timeout(5):
                await pool.close()
        pool.terminate()


def _access(pool: asyncpg.Pool, settings: Settings, clock: Clock) -> Access:
    reads = Reading(pool, LOOKUP_SECONDS_MAX)

    async def find_page(secret_hash: bytes) -> Principal | None:
        """The key a page of the portal asks with, on behalf of who is signed in."""
        row = await reads.fetchrow("SELECT * FROM portal.session_owners_v1 WHERE page_key_hash = $1", secret_hash)
        if row is None or row["account_id"] is None or row["expires_at"] <= clock.now():
            return None
        return Principal("agency" if row["is_agency"] else "account", row["account_id"], row["session_id"])

    async def find_key(secret_hash: bytes) -> Principal | None:
        row = await reads.fetchrow("SELECT * FROM ledger.key_owners_v1 WHERE secret_hash = $1", secret_hash)
        if row is None:
            return await find_page(secret_hash)
        kind: Kind = row["kind"]
        if kind == "account" and row["is_agency"]:
            kind = "agency"
        return Principal(kind, row["account_id"], row["key_id"])

    async def find_tenant(account_id: str) -> Tenant | None:
        row = await reads.fetchrow("SELECT * FROM ledger.tenants_v1 WHERE account_id = $1", account_id)
        return None if row is None else Tenant(row["account_id"], row["parent_id"])

    return Access(find_key, find_tenant, cache_seconds=settings.key_cache_seconds)


def _sessions(pool: asyncpg.Pool, clock: Clock) -> Sessions:
    reads = Reading(pool, LOOKUP_SECONDS_MAX)

    async def find(cookie_hash: bytes) -> Session | None:
        row = await reads.fetchrow("SELECT * FROM portal.session_owners_v1 WHERE cookie_hash = $1", cookie_hash)
        return None if row is None else Session(**{name: row[name] for name in Session.__slots__})

    return Sessions(find, clock)


async def _follow_clock(pool: asyncpg.Pool, clock: MovableClock) -> None:
    microseconds = await pool.fetchval("SELECT microseconds FROM ledger.clock_offset_v1")
    clock.move_to_offset(timedelta(microseconds=microseconds))


async def _drain(announcer: Announcer) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            await announcer.drain()


async def _start_consumers(stack: AsyncExitStack, running: dict[str, Running]) -> None:
    for service in running.values():
        for consumer in service.consumers:
            await consumer.start()
            stack.push_async_callback(consumer.stop)


async def _start_jobs(
    stack: AsyncExitStack,
    running: dict[str, Running],
    announcer: Announcer,
    pool: asyncpg.Pool,
    clock: MovableClock,
    settings: Settings,
) -> None:
    jobs = [job for service in running.values() for job in service.jobs]
    jobs.append(Job("sweep_outbox", SWEEP_SECONDS, announcer.sweep))
    if settings.test_clock:
        jobs.append(Job("follow_clock", CLOCK_POLL_SECONDS, lambda: _follow_clock(pool, clock)))
    for job in jobs:
        await stack.enter_async_context(_task(job.name, _repeat(job)))


async def _repeat(job: Job) -> None:
    while True:
        try:
            await job.work()
            JOBS.labels(job.name, "done").inc()
        except DELAYED_BY as outage:
            JOBS.labels(job.name, "outage").inc()
            log.warning("job_outage", job=job.name, error=repr(outage))
        except Exception:
            JOBS.labels(job.name, "failed").inc()
            log.exception("job_failed", job=job.name)
        await asyncio.sleep(job.every_seconds)


@asynccontextmanager
async def _task(name: str, work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _serve(asgi: Asgi, settings: Settings) -> AsyncIterator[str]:
    """Serve on the wanted port, or on the next free one; yields the base URL."""
    listener = _listen(settings.http_host, settings.http_port)
    config = uvicorn.Config(
        asgi,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        backlog=4096,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]), name="http")
    try:
        yield "http://{}:{}".format(*listener.getsockname()[:2])
    finally:
        server.should_exit = True
        await serving
        listener.close()


def _listen(address: str, port: int) -> socket.socket:
    for candidate in [port] if port == 0 else range(port, port + PORTS_TRIED_MAX):
        # Named as TCP: asyncio sets TCP_NODELAY only then, and answers on kept connections would wait 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, candidate))
        except OSError:
            listener.close()
            continue
        listener.setblocking(False)
        return listener
    raise RefusedToStart(f"no free port from {port} on")
