"""The stand-in on a socket: uvicorn, with the connection in reach of the faults."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .answers import TRANSPORT


class ReachableProtocol(HttpToolsProtocol):
    """Leaves the transport in the request's scope, so that a fault can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        reach: Any = {TRANSPORT: self.transport}
        self.scope["extensions"] = reach


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1; port 0 takes a free one."""
    # Named as TCP: asyncio sets TCP_NODELAY only then, and each answer would wait 40 ms without it.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


def server_config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=ReachableProtocol,
        lifespan="on",
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=30,
    )


@asynccontextmanager
async def serving(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[None]:
    """Serves on the present loop until the block ends, then cuts what is still open.

    Without uvicorn's own loop: that would take over signals, and a third of a second to start and end.
    """
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield
    finally:
        for accepting in server.servers:
            accepting.close()
        for connection in list(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        running = list(server.server_state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.lifespan.shutdown()
        listener.close()
