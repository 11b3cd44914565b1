"""A webhook endpoint that keeps what it gets and answers what it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.local.stripe_standin.server import listen, serving


@dataclass(frozen=True)
class Received:
    body: bytes
    signature: str

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event


@dataclass
class Receiver:
    """`statuses` are answered one by one, then 200."""

    url: str
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    pause_seconds: float = 0.0

    async def take(self, request: Request) -> Response:
        self.received.append(Received(await request.body(), request.headers["stripe-signature"]))
        await asyncio.sleep(self.pause_seconds)
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def types(self) -> list[str]:
        return [one.event["type"] for one in self.received]

    def of(self, kind: str) -> list[Received]:
        return [one for one in self.received if one.event["type"] == kind]


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    listener = listen(0)
    receiver = Receiver(f"http://127.0.0.1:{listener.getsockname()[1]}/hook")
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    async with serving(config, listener):
        yield receiver
