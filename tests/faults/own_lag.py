"""How long this process itself was kept from running: what a client waits because of that is not the system's doing."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

LOOK_S = 0.01
LATE_S = 0.005
KEPT_MAX = 50_000


class OwnLag:
    """The delays of this process's loop, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self._delays: deque[tuple[float, float]] = deque(maxlen=KEPT_MAX)

    def within(self, began: float, ended: float) -> float:
        """How much of this time the loop stood still."""
        total = 0.0
        for since, until in reversed(self._delays):
            if until <= began:
                break
            total += max(0.0, min(until, ended) - max(since, began))
        return total

    async def watch(self) -> None:
        """For as long as it runs."""
        while True:
            due = time.monotonic() + LOOK_S
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            if now - due > LATE_S:
                self._delays.append((due, now))
                self.worst_s = max(self.worst_s, now - due)


@asynccontextmanager
async def watched() -> AsyncIterator[OwnLag]:
    lag = OwnLag()
    watching = asyncio.create_task(lag.watch())
    try:
        yield lag
    finally:
        watching.cancel()
