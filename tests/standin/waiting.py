"""Waiting for what comes soon, however busy the machine is."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 20.0


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns once `holds` is true; raises TimeoutError after twenty seconds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)
