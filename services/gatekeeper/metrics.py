"""What an operator watches about the gate."""

from prometheus_client import Counter, Histogram

GATE_SECONDS = Histogram(
    "ringfence_gate_seconds",
    "From a check's arrival to its answer.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
DECISIONS = Counter("ringfence_gate_decisions", "Answers of the gate.", ["kind", "outcome"])
BATCH_SIZE = Histogram(
    "ringfence_gate_batch_size", "Checks decided in one transaction.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)

_children: dict[tuple[str, str], Counter] = {}


def count_decision(kind: str, outcome: str) -> None:
    """One answer more; `outcome` is a code of the contract, or allow."""
    child = _children.get((kind, outcome))
    if child is None:
        child = _children[kind, outcome] = DECISIONS.labels(kind, outcome)
    child.inc()
