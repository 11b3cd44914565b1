"""The stand-in on a socket: uvicorn, with the connection in reach of the faults."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
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


class StandinServer(uvicorn.Server):
    """Leaves signals to whoever hosts it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
