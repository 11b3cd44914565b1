"""Waiting for what a message sets off."""

import asyncio
import time
from collections.abc import Awaitable, Callable

SECONDS_MAX = 20.0


async def until(holds: Callable[[], Awaitable[bool]], seconds_max: float = SECONDS_MAX) -> None:
    """Return once it holds; fails when it does not in time."""
    give_up = time.monotonic() + seconds_max
    while not await holds():
        assert time.monotonic() < give_up, "it did not come true in time"
        await asyncio.sleep(0.05)
