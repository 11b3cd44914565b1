"""What travels: a message we publish, one we were given, and what becomes of it."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

REASON_HEADER = "ringfence-reason"
DETAIL_HEADER = "ringfence-detail"
ATTEMPTS_HEADER = "ringfence-attempts"
EXCHANGE_HEADER = "ringfence-exchange"
ROUTING_KEY_HEADER = "ringfence-routing-key"

REPLY_QUEUE = re.compile(r"amq\.(rabbitmq\.reply-to\.|gen-)[!-~]+")
"""Queues the asker's own connection owns. Any other name would let who may only ask write into our queues."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish. The empty exchange delivers to the queue named by the routing key.

    `sent_at` is the AMQP timestamp, in epoch seconds.
    """

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, object] = field(default_factory=dict)
    message_id: str | None = None
    correlation_id: str | None = None
    expiration_ms: int | None = None
    mandatory: bool = False
    content_type: str = "application/json"
    sent_at: int | None = None


@dataclass(eq=False, slots=True)
class Incoming:
    """One message the broker gave us; it stays unacknowledged until its consumer settles it.

    `sent_at` is the publisher's timestamp in epoch seconds, if it set one. `arrived` is when it came at the latest, on
    our monotonic clock; for what came while this process stood still, when it may have come at the earliest.
    `delivery` belongs to the client that delivered it.
    """

    body: bytes
    exchange: str = ""
    routing_key: str = ""
    headers: Mapping[str, object] = field(default_factory=dict)
    message_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    expiration_ms: int | None = None
    sent_at: int | None = None
    redelivered: bool = False
    arrived: float = field(default_factory=time.monotonic)
    delivery: object = None

    @property
    def is_ours(self) -> bool:
        """Whether it came through a side queue or from an operator: only we may write past the exchanges."""
        return self.exchange == ""

    @property
    def retries(self) -> int:
        """How often this message has been handled before; a stranger's header says nothing about it."""
        count = self.headers.get(ATTEMPTS_HEADER, 0) if self.is_ours else 0
        return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else 0

    @property
    def waits_for_answer(self) -> bool:
        """Whether it names a queue of the asker's own to answer to; any other name is ignored."""
        return self.reply_to is not None and REPLY_QUEUE.fullmatch(self.reply_to) is not None

    def outlived(self, limit_ms: int) -> bool:
        """Whether it is older than its expiration, at most `limit_ms`: nobody waits for an answer any more.

        Transport time, not business time: a moved test clock changes nothing here. A publisher's timestamp
        has whole seconds, so it is given one second of grace.
        """
        allowed_ms = limit_ms if self.expiration_ms is None else min(self.expiration_ms, limit_ms)
        if (time.monotonic() - self.arrived) * 1000 > allowed_ms:
            return True
        return self.sent_at is not None and (time.time() - self.sent_at - 1) * 1000 > allowed_ms


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again later. After the last retry of the schedule the message is dead for this `reason`.

    `body`: only this part is retried (one element of an array); None means the message as it came.
    """

    reason: str
    detail: str
    body: bytes | None = None
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Dead:
    """Park it in `<queue>.dead` with its reason; a person decides. `body` as in `Retry`."""

    reason: str
    detail: str
    body: bytes | None = None


Outcome = Retry | Dead
Outcomes = Mapping[int, list[Outcome]]
"""Position in the batch → what becomes of it; a position that is missing is done."""
