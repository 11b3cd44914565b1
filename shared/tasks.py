"""Work that nobody may be waiting for any more."""

import asyncio
from typing import Any


def look_at(done: asyncio.Future[Any]) -> None:
    """A callback of a future: asyncio then does not report an error that nobody has seen as lost."""
    if not done.cancelled():
        done.exception()
