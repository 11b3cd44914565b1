"""What `/metrics` shows beyond the counters of this process: values read from the books or the broker when asked.

Whoever scrapes can't be made to wait, nor the books be made to work for every scrape: a source is read at most every
few seconds, in limited time, and never fails. While it can't be read its values are missing (an old value would be a
lie), and `ringfence_measured` of it is 0.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime

import structlog
from prometheus_client import REGISTRY, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.messaging.port import Broker
from shared.messaging.topology import dead_queue, retry_queue

FRESH_SECONDS = 5.0
READ_SECONDS_MAX = 1.5

Measure = Callable[[], Awaitable[Sequence[Metric]]]

disable_created_metrics()  # type: ignore[no-untyped-call]  # a time beside every counter is of no use to anybody

log = structlog.get_logger(__name__)


class Measures:
    """Every source of one process."""

    def __init__(self, sources: Mapping[str, Measure]) -> None:
        self._sources = [_Source(name, measure) for name, measure in sources.items()]

    async def text(self) -> bytes:
        """The whole answer to a scrape, in Prometheus' text format. Never raises, never takes long."""
        read = await asyncio.gather(*(source.metrics() for source in self._sources))
        could = {source.name: metrics is not None for source, metrics in zip(self._sources, read, strict=True)}
        measured = gauge("ringfence_measured", "Whether a source could be read just now.", could, "source")
        families = [family for metrics in read if metrics is not None for family in metrics]
        return generate_latest(REGISTRY) + generate_latest(_Fixed([measured, *families]))


class _Source:
    """One source: read when it is asked for and what was read before is no longer fresh, once for all who ask."""

    def __init__(self, name: str, measure: Measure) -> None:
        self.name = name
        self._measure = measure
        self._reading: asyncio.Task[Sequence[Metric] | None] | None = None
        self._stale_at = 0.0

    async def metrics(self) -> Sequence[Metric] | None:
        now = asyncio.get_running_loop().time()
        if self._reading is None or (self._reading.done() and now >= self._stale_at):
            self._stale_at = now + FRESH_SECONDS
            self._reading = asyncio.create_task(self._read(), name=f"measure {self.name}")
        return await asyncio.shield(self._reading)

    async def _read(self) -> Sequence[Metric] | None:
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                return await self._measure()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the other values must be shown
            log.warning("not_measured", source=self.name, error=repr(error))
            return None


class _Fixed(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def gauge(name: str, documentation: str, values: float | Mapping[str, float], label: str = "") -> GaugeMetricFamily:
    """One value, or a value per value of `label`."""
    if not isinstance(values, Mapping):
        return GaugeMetricFamily(name, documentation, value=float(values))
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def age_seconds(since: datetime | None, now: datetime) -> float:
    """How long ago, in seconds; 0 when nothing is there."""
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def measure_queues(broker: Broker, queues: Sequence[str]) -> Measure:
    """What is ready in work queues and beside them; a queue nobody has declared yet holds nothing."""

    async def depth(queue: str) -> int:
        return await broker.depth(queue) or 0

    async def depths(names: Sequence[str]) -> dict[str, float]:
        return dict(zip(queues, await asyncio.gather(*map(depth, names)), strict=True))

    async def measure() -> Sequence[Metric]:
        work, retry, dead = await asyncio.gather(
            depths(queues), depths([*map(retry_queue, queues)]), depths([*map(dead_queue, queues)])
        )
        return [
            gauge("ringfence_queue_messages", "Messages ready in a work queue.", work, "queue"),
            gauge("ringfence_queue_retries", "Messages of a work queue that wait to be tried again.", retry, "queue"),
            gauge("ringfence_dead_letters", "Messages given up, which wait for a person.", dead, "queue"),
        ]

    return measure
