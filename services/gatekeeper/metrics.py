"""What an operator watches about the gate.

Counted in plain lists and read when asked: an observation of the client library costs as much as validating a body.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SIZES: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Spread:
    """A histogram: how many observations fell at or below each bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, documentation: str) -> HistogramMetricFamily:
        buckets, total = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=self._sum)


class GateMetrics(Collector):
    """Of all gates of this process."""

    def __init__(self) -> None:
        self.latency = Spread(SECONDS)
        self.batch_size = Spread(SIZES)
        self.decisions: Counter[tuple[str, str]] = Counter()

    def collect(self) -> Iterator[Metric]:
        """What `/metrics` shows."""
        yield self.latency.family("ringfence_gate_seconds", "From a check's arrival to its answer.")
        yield self.batch_size.family("ringfence_gate_batch_size", "Checks decided in one transaction.")
        decisions = CounterMetricFamily(
            "ringfence_gate_decisions",
            "Answers of the gate: the code of an error, or what was done.",
            labels=["kind", "outcome"],
        )
        for labels, count in self.decisions.items():
            decisions.add_metric(labels, float(count))
        yield decisions


METRICS: Final = GateMetrics()
REGISTRY.register(METRICS)
