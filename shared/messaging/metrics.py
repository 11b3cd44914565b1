"""What an operator watches about a consumer."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from shared.messaging.messages import REASON_HEADER, Message

TAKEN = Counter("ringfence_messages_taken", "Messages taken from a work queue.", ["queue"])
GIVEN_UP = Counter(
    "ringfence_messages_given_up", "Messages put aside: to be tried again, or dead.", ["queue", "to", "reason"]
)
BATCH_SECONDS = Histogram(
    "ringfence_batch_seconds",
    "From taking a batch to its acknowledgement.",
    ["queue"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
LAG_SECONDS = Gauge(
    "ringfence_consumer_lag_seconds", "Since the oldest message in hand arrived; 0 when none is.", ["queue"]
)


def count_given_up(queue: str, dead_queue: str, messages: Iterable[Message]) -> None:
    """These have been put aside, confirmed."""
    tally = Tally((message.routing_key == dead_queue, str(message.headers[REASON_HEADER])) for message in messages)
    for (is_dead, reason), count in tally.items():
        GIVEN_UP.labels(queue, "dead" if is_dead else "retry", reason).inc(count)
