"""Dead letters as an operator sees them, and what can be done with one: look, replay, discard.

The one place for the command line, the operators' page and the audit. Looking consumes nothing: a letter is taken
under the eyes of the broker and goes back when the look is over.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from shared import strict_json
from shared.clock import rfc3339
from shared.contracts.fields_v1 import instant
from shared.contracts.queues_v1 import ACCEPT_HEADER, WORK_QUEUES
from shared.messaging.messages import ATTEMPTS_HEADER, DETAIL_HEADER, REASON_HEADER, Incoming, Message
from shared.messaging.port import Broker, Held
from shared.messaging.topology import dead_queue

LOOKED_AT_MAX: Final = 1_000
"""Letters per queue that a list or a count looks into; the others are counted as one number."""

DEAD_QUEUES: Final[Mapping[str, str]] = {dead_queue(queue): queue for queue in WORK_QUEUES}
"""Dead-letter queue → the work queue it belongs to."""

CRASHED: Final = "delivery_limit"
"""Reason of a letter the broker parked itself: its consumer crashed on it again and again."""

TWIN: Final = "suspected_duplicate"


@dataclass(frozen=True)
class Letter:
    """One message of a dead-letter queue, or of any other queue when it is only looked at."""

    queue: str
    message: Incoming

    @property
    def reason(self) -> str:
        return str(self.message.headers.get(REASON_HEADER, CRASHED))

    @property
    def detail(self) -> str:
        return str(self.message.headers.get(DETAIL_HEADER, ""))

    @property
    def attempts(self) -> int | None:
        count = self.message.headers.get(ATTEMPTS_HEADER)
        return count if isinstance(count, int) else None

    @cached_property
    def value(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return strict_json.loads(self.message.body)
        except strict_json.NotStrictJson:
            return None

    @property
    def id(self) -> str:
        """The event's own id where it can be read, else the message's, else a digest of the body."""
        event_id = _text(self.value, "id")
        return event_id or self.message.message_id or self.digest[:16]

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.message.body, digest_size=16).hexdigest()

    @property
    def mark(self) -> str:
        """Names it among the letters of its queue; letters with the same mark differ in nothing that matters."""
        marked = (self.digest, self.reason, self.message.message_id or "")
        return hashlib.blake2b("\0".join(marked).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    @property
    def account_id(self) -> str | None:
        data = self.value.get("data") if isinstance(self.value, dict) else None
        return _text(data, "account_id")

    @property
    def type(self) -> str | None:
        return _text(self.value, "type")

    @property
    def parked_at(self) -> datetime | None:
        """When it was given up."""
        if self.message.sent_at is not None:
            return datetime.fromtimestamp(self.message.sent_at, UTC)
        deaths = self.message.headers.get("x-death")
        at = deaths[0].get("time") if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else None
        return at if isinstance(at, datetime) else None

    @property
    def told_at(self) -> datetime | None:
        """Since when it has been there: parked, else the time its event tells, None where neither is known."""
        if self.parked_at is not None:
            return self.parked_at
        time = self.value.get("time") if isinstance(self.value, dict) else None
        try:
            return instant(time) if time is not None else None
        except ValueError:
            return None

    def is_called(self, wanted: str) -> bool:
        return wanted in (self.id, self.message.message_id)

    def as_json(self) -> dict[str, Any]:
        """Everything there is to know of it; a body that is not JSON as text."""
        return {
            "id": self.id,
            "queue": self.queue,
            "reason": self.reason,
            "detail": self.detail,
            "attempts": self.attempts,
            "parked_at": None if self.parked_at is None else rfc3339(self.parked_at),
            "account_id": self.account_id,
            "type": self.type,
            "message_id": self.message.message_id,
            "headers": {name: str(value) for name, value in self.message.headers.items()},
            "body": self.message.body.decode("utf-8", "replace") if self.value is None else self.value,
        }


def _text(value: Any, key: str) -> str | None:
    found = value.get(key) if isinstance(value, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


async def looked_at(broker: Broker, queue: str, *, at_most: int) -> AsyncIterator[Letter]:
    """The first letters of a dead-letter queue, which all stay in it."""
    depth = await broker.depth(queue)
    async with broker.hold(queue) as held:
        for _ in range(min(depth or 0, at_most)):
            message = await held.next()
            if message is None:
                return
            yield Letter(queue, message)


async def taken_out(
    broker: Broker,
    queue: str,
    wanted: Callable[[Letter], bool],
    settle: Callable[[Letter], Message | None],
    *,
    at_most: int | None = None,
) -> list[Letter]:
    """Remove the wanted letters from a queue; what `settle` makes of one is published, confirmed, before it goes.

    Only those there now are looked at, and `at_most` so many: one that dies again at once is not replayed for ever.
    Raises MessagingError; what was not confirmed stays where it was.
    """
    gone: list[Letter] = []
    depth = await broker.depth(queue) or 0
    async with broker.hold(queue) as held:
        for _ in range(depth if at_most is None else min(depth, at_most)):
            message = await held.next()
            if message is None:
                break
            letter = Letter(queue, message)
            if wanted(letter):
                await _settle(broker, held, letter, settle(letter))
                gone.append(letter)
    return gone


async def _settle(broker: Broker, held: Held, letter: Letter, replacement: Message | None) -> None:
    if replacement is not None:
        await broker.publish(replacement)
    await held.remove(letter.message)


def replayed(letter: Letter, *, accepts_twin: bool) -> Message:
    """The letter as its work queue gets it again: attempts start anew. `accepts_twin`: an operator says bill it."""
    ours = {REASON_HEADER, DETAIL_HEADER, ATTEMPTS_HEADER, ACCEPT_HEADER}
    headers = {
        name: value for name, value in letter.message.headers.items() if name not in ours and not name.startswith("x-")
    }
    if accepts_twin and letter.reason == TWIN:
        headers[ACCEPT_HEADER] = True
    return Message(
        exchange="",
        routing_key=DEAD_QUEUES[letter.queue],
        body=letter.message.body,
        headers=headers,
        message_id=letter.message.message_id,
        correlation_id=letter.message.correlation_id,
        mandatory=True,
    )
