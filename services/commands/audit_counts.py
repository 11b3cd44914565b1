"""Where everything is that was told and has moved no money: in the books, queued, in retry, dead (contract §9.2)."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from services.commands.dead_letters import LOOKED_AT_MAX, looked_at, opened
from services.everything import QUEUES
from shared.messaging.errors import MessagingError
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import dead_queue, retry_queue
from shared.postgres.pool import open_pool
from shared.postgres.queries import Queries

_SQL = Queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True)
class Waiting:
    """Counts by what and where. `unreachable`: why the queues could not be counted, although they are known."""

    in_books: tuple[tuple[str, str, int], ...]
    in_queues: tuple[tuple[str, str, int], ...] = ()
    unreachable: str | None = None

    def rows(self) -> list[tuple[str, str, int]]:
        return [*self.in_books, *self.in_queues]


async def count_waiting(postgres_url: str, amqp_url: str | None) -> Waiting:
    """Look at the books as the audit's role, and at every queue; of dead letters by reason. Consumes nothing."""
    pool = await open_pool(postgres_url, "audit", size_max=1, command_timeout_seconds=300)
    try:
        in_books = tuple((row["what"], row["place"], row["count"]) for row in await pool.fetch(_SQL.moved_no_money))
    finally:
        await pool.close()
    if amqp_url is None:
        return Waiting(in_books)
    try:
        return Waiting(in_books, tuple(await _count_queues(amqp_url)))
    except MessagingError as error:
        return Waiting(in_books, unreachable=str(error))


async def _count_queues(amqp_url: str) -> list[tuple[str, str, int]]:
    async with opened(amqp_url) as broker:
        rows = []
        for queue in QUEUES:
            for what, name in (("queued", queue), ("in retry", retry_queue(queue))):
                depth = await broker.depth(name)
                if depth:
                    rows.append((what, name, depth))
            rows += await _count_dead(broker, dead_queue(queue))
        return rows


async def _count_dead(broker: Rabbit, queue: str) -> list[tuple[str, str, int]]:
    """By reason for the first of them, the rest as one number."""
    depth = await broker.depth(queue)
    if not depth:
        return []
    reasons = Counter([letter.reason async for letter in looked_at(broker, queue, at_most=LOOKED_AT_MAX)])
    rows = [(f"dead: {reason}", queue, count) for reason, count in sorted(reasons.items())]
    rest = depth - sum(reasons.values())
    return [*rows, ("dead: not looked at", queue, rest)] if rest > 0 else rows
