"""Load at a fixed pace: what is due is sent whatever has come back, and timed from when it was due."""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from benchmarks.stage import PLATFORM_KEY
from benchmarks.system import ACCOUNTS

TICK_SECONDS = 0.01
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


async def pace(per_second: float, seconds: float, act: Callable[[int, float], Awaitable[None]]) -> None:
    """Call `act(how many, due)` every 10 ms as a task of its own; returns when all are done.

    `due` is in the loop's time.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks: list[asyncio.Task[None]] = []
    sent = 0
    for tick in range(1, round(seconds / TICK_SECONDS) + 1):
        due = began + tick * TICK_SECONDS
        await asyncio.sleep(max(0.0, due - loop.time()))
        count = round(per_second * tick * TICK_SECONDS) - sent
        if count:
            tasks.append(asyncio.ensure_future(act(count, due)))
            sent += count
    await asyncio.gather(*tasks)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class _Connection(asyncio.Protocol):
    """One kept connection of HTTP/1.1, one request at a time."""

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

    def close(self) -> None:
        self.transport.close()


async def _connect(address: str, port: int) -> _Connection:
    transport, connection = await asyncio.get_running_loop().create_connection(_Connection, address, port)
    connection.transport = transport
    return connection


def _request(path: str, body: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {PLATFORM_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def moneyed(place: int) -> str:
    """One account after the other, of those with money."""
    return f"acct-{place * 7 % ACCOUNTS:06d}"


def check_body(place: int, label: str, account_of: Callable[[int], str] = moneyed) -> str:
    """A check of a new call."""
    return (
        f'{{"account_id":"{account_of(place)}","call_id":"{label}-{place}","direction":"outbound",'
        '"from":"+15550100","to":"+4930123456","seconds":600}'
    )


async def check_at_a_pace(
    url: str, per_second: float, seconds: float, label: str, *, account_of: Callable[[int], str] = moneyed
) -> list[float]:
    """Latencies of checks of new calls, in ms, each from when it was due. Every answer must be 200."""
    loop = asyncio.get_running_loop()
    place = urlsplit(url)
    idle: list[_Connection] = []
    every: list[_Connection] = []
    latencies_ms: list[float] = []
    asked = 0

    async def one(number: int, due: float) -> None:
        # The server closes what was idle for some seconds.
        while idle and idle[-1].transport.is_closing():
            idle.pop()
        if idle:
            connection = idle.pop()
        else:
            connection = await _connect(place.hostname or "", place.port or 80)
            every.append(connection)
        status = await connection.ask(_request("/v1/checks/call", check_body(number, label, account_of)))
        latencies_ms.append((loop.time() - due) * 1000)
        idle.append(connection)
        assert status == 200, status

    async def some(count: int, due: float) -> None:
        nonlocal asked
        asked += count
        await asyncio.gather(*(one(asked - place, due) for place in range(count)))

    try:
        await pace(per_second, seconds, some)
    finally:
        for connection in every:
            connection.close()
    return latencies_ms
