"""Exchanges, queues and bindings as values (contract §3, design §5).

Every work queue `<service>.<handler>` has two side queues: `.retry`, where a message waits out a delay and
then falls back into the work queue, and `.dead`, where it waits for a person. All are quorum queues. The
arguments are those RabbitMQ 3.10 and 4.x both accept and mean the same by.
"""

from dataclasses import dataclass, field

USAGE = "ringfence.usage"
CHECKS = "ringfence.checks"
OPS = "ringfence.ops"
EVENTS = "ringfence.events"
TICKS = "ringfence.ticks"
NEWS = "ringfence.news"
EXCHANGES = (USAGE, CHECKS, OPS, EVENTS, TICKS, NEWS)
"""Durable topic exchanges. `EVENTS` has no alternate exchange: that nobody listens is legal. On `NEWS` services hear
of whom events were published, in one message for many."""

DELIVERY_LIMIT = 1000
"""Only against a message that crashes the process: each cut connection counts against all unacknowledged."""

NEVER = 1_000_000_000
"""A delivery limit that is none: 4.x gives queues 20 by itself, and 3.10 takes no -1."""

CHECK_TTL_MS = 5_000
"""A check is never older than this when it is handled (contract §2)."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue as the broker declares it."""

    name: str
    arguments: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages of `exchange` whose routing key fits `routing_key` go to the queue."""

    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A work queue with its bindings. With `ttl_ms` what waits longer is dropped, not parked. `replaces`: queues of an
    earlier release, removed where a broker still has them and nobody consumes them.
    """

    name: str
    bindings: tuple[Binding, ...]
    ttl_ms: int | None = None
    replaces: tuple[str, ...] = ()

    @property
    def retry(self) -> str:
        """Name of the queue where its messages wait out a delay."""
        return retry_queue(self.name)

    @property
    def dead(self) -> str:
        """Name of the queue where what it gave up is parked."""
        return dead_queue(self.name)

    def queues(self) -> tuple[Queue, ...]:
        """The work queue and its side queues; those that others dead-letter to come first."""
        return (
            Queue(self.dead, {"x-queue-type": "quorum", "x-delivery-limit": NEVER}),
            Queue(self.name, self._work_arguments()),
            Queue(self.retry, _dead_letters_to(self.name)),
        )

    def _work_arguments(self) -> dict[str, str | int]:
        if self.ttl_ms is not None:  # with a dead-letter exchange, what expires would be parked
            quorum: dict[str, str | int] = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
            return quorum | {"x-message-ttl": self.ttl_ms}
        return _dead_letters_to(self.dead) | {"x-delivery-limit": DELIVERY_LIMIT}


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything a set of services needs the broker to have."""

    queues: tuple[WorkQueue, ...]
    exchanges: tuple[str, ...] = EXCHANGES


def work_queue(
    name: str, exchange: str, *routing_keys: str, ttl_ms: int | None = None, replaces: tuple[str, ...] = ()
) -> WorkQueue:
    """`work_queue("ledger.bill_usage", USAGE)`: bound with `#` unless keys are named."""
    keys = routing_keys or ("#",)
    return WorkQueue(name, tuple(Binding(exchange, key) for key in keys), ttl_ms, replaces)


def retry_queue(queue: str) -> str:
    """`<queue>.retry`."""
    return f"{queue}.retry"


def dead_queue(queue: str) -> str:
    """`<queue>.dead`."""
    return f"{queue}.dead"


def _dead_letters_to(queue: str) -> dict[str, str | int]:
    # At-least-once moves a message only when the target has confirmed it; it needs reject-publish, which
    # without a length limit never rejects.
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
