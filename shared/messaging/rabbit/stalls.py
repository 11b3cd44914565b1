"""A process that stood still (stopped, swapped out, starved) reads afterwards what came meanwhile, as if it were new.

What a broker pushed lay in our socket then. How long is not to be known, so it counts as come when we last looked:
rather too old than answered late (contract §2, `expiration`).
"""

import asyncio
import time
from collections.abc import Callable

PULSE_S = 0.1
STALL_S = 0.3
"""The loop turns every PULSE_S; a longer gap was a standstill."""
DRAIN_S = 0.5
"""For so long after one what is read may have come during it."""


class StallWatch:
    """Knows when a message came at the latest and, after a standstill, at the earliest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turned_at = clock()
        self._stood_still_from = 0.0
        self._drains_until = 0.0

    async def run(self) -> None:
        """Feel the pulse, for ever."""
        while True:
            self.turn()
            await asyncio.sleep(PULSE_S)

    def turn(self) -> float:
        """The loop turns now."""
        now = self._clock()
        if now - self._turned_at > STALL_S:
            if now >= self._drains_until:
                self._stood_still_from = self._turned_at
            self._drains_until = now + DRAIN_S
        self._turned_at = now
        return now

    def arrival(self) -> float:
        """When a message that is read now came, on the monotonic clock; after a standstill, when we had last looked."""
        now = self.turn()
        return self._stood_still_from if now < self._drains_until else now
