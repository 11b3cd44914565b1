"""Dead letters on the operators' page: looked at without consuming them, replayed or discarded."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from shared import strict_json
from shared.contracts.queues_v1 import ACCEPT_HEADER, WORK_QUEUES
from shared.messaging.messages import ATTEMPTS_HEADER, DETAIL_HEADER, REASON_HEADER, Incoming, Message
from shared.messaging.port import Broker
from shared.messaging.topology import dead_queue, retry_queue

LOOKED_AT_MAX: Final = 100
SETTLED_AT_ONCE_MAX: Final = 1_000
CRASHED: Final = "delivery_limit"
TWIN: Final = "suspected_duplicate"


@dataclass(frozen=True, slots=True)
class Depths:
    """How much waits in a work queue and beside it; None: there is no such queue."""

    name: str
    ready: int | None
    retry: int | None
    dead: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter of a work queue; `digest` names it, equal letters are the same to us."""

    queue: str
    message: Incoming

    @property
    def reason(self) -> str:
        return str(self.message.headers.get(REASON_HEADER, CRASHED))

    @property
    def detail(self) -> str:
        return str(self.message.headers.get(DETAIL_HEADER, ""))

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.message.body + self.reason.encode(), digest_size=12).hexdigest()

    @property
    def since(self) -> datetime | None:
        return None if self.message.sent_at is None else datetime.fromtimestamp(self.message.sent_at, UTC)

    @property
    def value(self) -> Any:
        try:
            return strict_json.loads(self.message.body)
        except strict_json.NotStrictJson:
            return None

    @property
    def title(self) -> str:
        """The event's type and id, where it has them."""
        value = self.value if isinstance(self.value, dict) else {}
        return " ".join(str(value[name]) for name in ("type", "id") if isinstance(value.get(name), str)) or "no event"

    @property
    def text(self) -> str:
        """The body, readable."""
        if self.value is None:
            return self.message.body.decode("utf-8", "replace")
        return orjson.dumps(self.value, option=orjson.OPT_INDENT_2).decode()


async def depths(broker: Broker) -> list[Depths]:
    """Every work queue, in the order of the services."""
    return [
        Depths(
            queue,
            await broker.depth(queue),
            await broker.depth(retry_queue(queue)),
            await broker.depth(dead_queue(queue)),
        )
        for queue in WORK_QUEUES
    ]


async def look(broker: Broker, queue: str) -> list[Letter]:
    """The first dead letters of a work queue; all of them stay."""
    letters: list[Letter] = []
    async with broker.hold(dead_queue(queue)) as held:
        while len(letters) < LOOKED_AT_MAX and (message := await held.next()) is not None:
            letters.append(Letter(queue, message))
    return letters


async def settle(broker: Broker, queue: str, wanted: Callable[[Letter], bool], *, replays: bool, accepts: bool) -> int:
    """Replay or discard the wanted letters; returns how many. A replay is confirmed before its letter goes."""
    settled = 0
    async with broker.hold(dead_queue(queue)) as held:
        for _ in range(SETTLED_AT_ONCE_MAX):
            message = await held.next()
            if message is None:
                break
            letter = Letter(queue, message)
            if wanted(letter):
                if replays:
                    await broker.publish(_again(letter, accepts=accepts))
                await held.remove(message)
                settled += 1
    return settled


def _again(letter: Letter, *, accepts: bool) -> Message:
    """As its work queue gets it again: attempts start anew."""
    ours = {REASON_HEADER, DETAIL_HEADER, ATTEMPTS_HEADER, ACCEPT_HEADER}
    kept = {name: value for name, value in letter.message.headers.items() if name not in ours and name[:2] != "x-"}
    if accepts and letter.reason == TWIN:
        kept[ACCEPT_HEADER] = True
    return Message(
        exchange="",
        routing_key=letter.queue,
        body=letter.message.body,
        headers=kept,
        message_id=letter.message.message_id,
        correlation_id=letter.message.correlation_id,
        mandatory=True,
    )
