"""The least that asks over HTTP/1.1: one kept connection, one request at a time."""

import asyncio
import re
from urllib.parse import urlsplit

from benchmarks.stage import PLATFORM_KEY

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """Made by `connect`."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._read = b""
        self._answer: asyncio.Future[int] | None = None

    def ask(self, request: bytes) -> "asyncio.Future[int]":
        """The status to come."""
        self._read = b""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, body = self._read.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if found and length and len(body) >= int(length[1]) and self._answer and not self._answer.done():
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("closed before the answer"))

    def close(self) -> None:
        self.transport.close()


async def connect(url: str) -> Connection:
    """A connection to the server of this address."""
    place = urlsplit(url)
    transport, connection = await asyncio.get_running_loop().create_connection(
        Connection, place.hostname or "", place.port or 80
    )
    connection.transport = transport
    return connection


def post(path: str, body: str) -> bytes:
    """A request with the platform's key; the body is ASCII."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {PLATFORM_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
