"""From an outcome to the message that goes to the retry or the dead queue.

One retry queue serves all delays of its work queue, and a quorum queue expires messages at its head only: a
short delay behind a long one waits for it. So delays are at most 10 s, and five retries end within a minute
whatever they stand behind (contract §3).
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from shared.messaging.messages import (
    ATTEMPTS_HEADER,
    DETAIL_HEADER,
    EXCHANGE_HEADER,
    REASON_HEADER,
    ROUTING_KEY_HEADER,
    Dead,
    Incoming,
    Message,
    Outcome,
    Retry,
)
from shared.messaging.topology import WorkQueue

DETAIL_LENGTH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`delays_s[n]` passes before retry n + 1; a message that fails after the last one is dead."""

    delays_s: tuple[float, ...] = (1, 3, 10, 10, 10)

    def next_delay_s(self, outcome: Retry, retries: int) -> float | None:
        """Seconds until the next try; None when there is none."""
        if retries >= len(self.delays_s):
            return None
        return self.delays_s[retries] if outcome.delay_s is None else outcome.delay_s


def side_messages(queue: WorkQueue, policy: RetryPolicy, given_up: Iterable[tuple[Incoming, Outcome]]) -> list[Message]:
    """The messages to publish before their originals are acknowledged."""
    return [_side_message(queue, policy, message, outcome) for message, outcome in given_up]


def _side_message(queue: WorkQueue, policy: RetryPolicy, message: Incoming, outcome: Outcome) -> Message:
    delay_s = None if isinstance(outcome, Dead) else policy.next_delay_s(outcome, message.retries)
    return Message(
        exchange="",
        routing_key=queue.dead if delay_s is None else queue.retry,
        body=message.body if outcome.body is None else outcome.body,
        headers=_headers(message, outcome),
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        expiration_ms=None if delay_s is None else round(delay_s * 1000),
        mandatory=True,
        # Transport time: how long it has been waiting for a person, whatever the test clock says.
        sent_at=int(time.time()) if delay_s is None else None,
    )


def _headers(message: Incoming, outcome: Outcome) -> dict[str, object]:
    came_back = message.headers if message.is_ours else {}
    return {
        REASON_HEADER: outcome.reason,
        DETAIL_HEADER: _fit(outcome.detail),
        ATTEMPTS_HEADER: message.retries + 1,
        EXCHANGE_HEADER: came_back.get(EXCHANGE_HEADER, message.exchange),
        ROUTING_KEY_HEADER: came_back.get(ROUTING_KEY_HEADER, message.routing_key),
    }


def _fit(detail: str) -> str:
    """Short enough for a header, and encodable: details may quote lone surrogates from bad input."""
    return detail[:DETAIL_LENGTH_MAX].encode("utf-8", "replace").decode()
