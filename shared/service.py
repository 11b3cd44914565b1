"""A service as a value: what it is called, what it hears and says, its API and its jobs.

The runtime hosts any list of services in one process. A service opens what it needs from the `Host` and returns
a `Running`: its routes, listeners and jobs, all bound to the same resources.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg
from fastapi import APIRouter

from shared.access import Access
from shared.announcer import Announcer
from shared.clock import MovableClock
from shared.measures import Measure
from shared.messaging.port import Broker
from shared.sessions import Sessions, nobody_signed_in
from shared.settings import Settings

Asgi = Callable[[dict[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Startable(Protocol):
    """A consumer: takes messages from `start` to `stop`, and finishes what it has in hand."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True)
class Job:
    """Runs `work` again and again, `every_seconds` after it last ended; an outage is logged and tried again."""

    name: str
    every_seconds: float
    work: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Host:
    """What the runtime offers a service."""

    settings: Settings
    clock: MovableClock
    broker: Broker
    access: Access
    announcer: Announcer
    open_pool: Callable[..., AbstractAsyncContextManager[asyncpg.Pool]]
    sessions: Sessions = field(default_factory=nobody_signed_in)


@dataclass(frozen=True)
class Running:
    """A service that has opened its resources.

    `hot_routes`: path prefix → plain ASGI application, served before anything else looks at the request.
    `ready`: raises or returns False when the service can't do its work now (`GET /readyz`).
    `measure`: what `/metrics` shows of it beyond its counters, read when asked; may raise or take its time.
    """

    routers: Sequence[APIRouter] = ()
    hot_routes: Mapping[str, Asgi] = field(default_factory=dict)
    consumers: Sequence[Startable] = ()
    jobs: Sequence[Job] = ()
    ready: Callable[[], Awaitable[bool]] | None = None
    measure: Measure | None = None


@dataclass(frozen=True)
class Service:
    """`hears` names its queues, `says` the event types it appends; `start` opens it on a host."""

    name: str
    hears: Sequence[str]
    says: Sequence[str]
    start: Callable[[Host], AbstractAsyncContextManager[Running]]
