"""Waiting for what happens elsewhere, with an end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T]], *, seconds: float = 5) -> T:
    """The first true answer of `look`; its last one when the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (seen := await look()) and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 -- it looks at other processes
        await asyncio.sleep(0.02)
    return seen
