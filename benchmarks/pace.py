"""Load at a fixed pace: what is due is sent whatever has come back, and timed from when it was due."""

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.http1 import Connection, connect, post
from benchmarks.system import ACCOUNTS

TICK_SECONDS = 0.01
UNAVAILABLE = 503
UNAVAILABLE_MS = 1_000.0
"""What a check counts for that the gate gave up because its books took too long, however soon it said so."""


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
    """Latencies of checks of new calls, in ms, each from when it was due. None may be refused."""
    loop = asyncio.get_running_loop()
    idle: list[Connection] = []
    every: list[Connection] = []
    latencies_ms: list[float] = []
    asked = 0

    async def one(number: int, due: float) -> None:
        # The server closes what was idle for some seconds.
        while idle and idle[-1].transport.is_closing():
            idle.pop()
        if idle:
            connection = idle.pop()
        else:
            connection = await connect(url)
            every.append(connection)
        status = await connection.ask(post("/v1/checks/call", check_body(number, label, account_of)))
        took_ms = (loop.time() - due) * 1000
        idle.append(connection)
        assert status in (200, UNAVAILABLE), status
        latencies_ms.append(took_ms if status == 200 else max(took_ms, UNAVAILABLE_MS))

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
