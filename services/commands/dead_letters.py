"""The broker, for a command that looks at dead letters. What can be done with one: `shared.messaging.dead_letters`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from shared.messaging.dead_letters import (
    DEAD_QUEUES,
    LOOKED_AT_MAX,
    TWIN,
    Letter,
    looked_at,
    replayed,
    taken_out,
)
from shared.messaging.rabbit import Rabbit

__all__ = ["DEAD_QUEUES", "LOOKED_AT_MAX", "TWIN", "Letter", "looked_at", "opened", "replayed", "taken_out"]

CONNECT_SECONDS: Final = 5.0


@asynccontextmanager
async def opened(amqp_url: str) -> AsyncIterator[Rabbit]:
    """The broker, for one command. Raises MessagingError."""
    broker = Rabbit(amqp_url, name="ringfence dead")
    await broker.open(timeout_s=CONNECT_SECONDS)
    try:
        yield broker
    finally:
        await broker.close()
