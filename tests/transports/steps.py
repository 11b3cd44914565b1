"""Steps that the tests of this suite share."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from shared.messaging.batch import BatchConsumer
from shared.messaging.messages import Incoming, Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE, WorkQueue

Consume = Callable[..., AbstractAsyncContextManager[BatchConsumer]]


async def eventually(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 10.0) -> None:
    """Wait until the condition holds; fail the test when it does not in time."""
    async with asyncio.timeout(within_s):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.02)


async def send(rabbit: Rabbit, queue: WorkQueue, *bodies: bytes) -> None:
    problems = await rabbit.publish_many([Message(USAGE, f"{queue.name}.x", body) for body in bodies])
    assert not any(problems)


async def parked(rabbit: Rabbit, queue: WorkQueue) -> list[Incoming]:
    found: list[Incoming] = []
    async with rabbit.hold(queue.dead) as held:
        while (message := await held.next()) is not None:
            found.append(message)
    return found


def is_empty(rabbit: Rabbit, *names: str) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return [await rabbit.depth(name) for name in names] == [0] * len(names)

    return holds
