"""How far behind each queue is, as metrics: what waits, and for how long something has been waiting.

A message carries no time that we could trust, so the age is counted from when its queue was last seen empty: the oldest
message that waits can't be older than that.
"""

import time
from collections.abc import Callable, Sequence

from prometheus_client import Gauge

from shared.messaging.port import Broker

WATCH_SECONDS = 5.0

MESSAGES = Gauge("ringfence_backlog_messages", "Messages that wait in a queue", ["queue"])
AGE = Gauge("ringfence_backlog_age_seconds", "For how long a queue has not been empty", ["queue"])


class Backlogs:
    """Of the queues that one process hears; `look` now and then."""

    def __init__(self, broker: Broker, queues: Sequence[str], seconds: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._seconds = seconds
        self._last_empty = dict.fromkeys(queues, seconds())

    async def look(self) -> None:
        """Ask the broker and set the metrics. Raises `MessagingError`; then the last figures stand."""
        for queue in self._last_empty:
            waiting = await self._broker.depth(queue) or 0
            now = self._seconds()
            if waiting == 0:
                self._last_empty[queue] = now
            MESSAGES.labels(queue).set(waiting)
            AGE.labels(queue).set(now - self._last_empty[queue])
