"""Work queues on the operators' page: how much waits in each and since when, and its dead letters.

A queue's age is that of the message at its head. AMQP tells it only to who takes the message, so the head of a queue
that is not empty is taken and given back; that is one of the thousand deliveries a message has.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.clock import Clock, SystemClock
from shared.contracts.queues_v1 import WORK_QUEUES
from shared.messaging.dead_letters import Letter, looked_at, replayed, taken_out
from shared.messaging.messages import Message
from shared.messaging.port import Broker
from shared.messaging.topology import dead_queue, retry_queue

LETTERS_SHOWN_MAX: Final = 100
COUNTED_MAX: Final = 1_000
SETTLED_AT_ONCE_MAX: Final = 5_000
"""Letters looked into by one action: a browser waits for it."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One queue. `depth` None: there is no such queue. `age` None: it is empty, or its head tells no time."""

    depth: int | None
    age: timedelta | None


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """A work queue and what waits beside it."""

    name: str
    ready: Lane
    retry: Lane
    dead: Lane


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What is dead in one queue: how much at all, by reason as far as it was counted, and the first letters."""

    total: int
    by_reason: dict[str, int]
    shown: list[Letter]


async def standing(broker: Broker, clock: Clock) -> list[WorkQueue]:
    """Every work queue, in the order of the services. Raises MessagingError."""
    return list(await asyncio.gather(*(_work_queue(broker, clock, name) for name in WORK_QUEUES)))


async def _work_queue(broker: Broker, clock: Clock, name: str) -> WorkQueue:
    lanes = [await _lane(broker, clock, queue) for queue in (name, retry_queue(name), dead_queue(name))]
    return WorkQueue(name, *lanes)


async def _lane(broker: Broker, clock: Clock, queue: str) -> Lane:
    depth = await broker.depth(queue)
    if not depth:
        return Lane(depth, None)
    async with broker.hold(queue) as held:
        head = await held.next()
    return Lane(depth, None if head is None else age_of(Letter(queue, head), clock))


def age_of(letter: Letter, clock: Clock) -> timedelta | None:
    """How long it has been there, else how old its event is. The broker's time is real; a test clock moves ours."""
    if letter.parked_at is not None:
        return max(SystemClock().now() - letter.parked_at, timedelta())
    told: datetime | None = letter.told_at
    return None if told is None else max(clock.now() - told, timedelta())


async def dead_letters(broker: Broker, queue: str) -> DeadLetters:
    """The dead letters of a work queue; all of them stay. Raises MessagingError."""
    total = await broker.depth(dead_queue(queue)) or 0
    looked = [letter async for letter in looked_at(broker, dead_queue(queue), at_most=COUNTED_MAX)]
    return DeadLetters(total, dict(Counter(letter.reason for letter in looked)), looked[:LETTERS_SHOWN_MAX])


async def settle(broker: Broker, queue: str, wanted: Callable[[Letter], bool], *, action: str) -> int:
    """Replay, accept (bill what looks like a duplicate) or discard the wanted letters; returns how many."""

    def again(letter: Letter) -> Message | None:
        return None if action == "discard" else replayed(letter, accepts_twin=action == "accept")

    return len(await taken_out(broker, dead_queue(queue), wanted, again, at_most=SETTLED_AT_ONCE_MAX))
