"""One scheduler among the replicas leads: it holds an advisory lock on a connection of its own.

When the connection breaks PostgreSQL gives the lock up, and another replica leads within a second. For a moment
two may both think they lead; then a tick comes twice, which changes nothing.
"""

import asyncpg

from services.scheduler.store import QUERIES
from shared.postgres.pool import OUTAGES


class Lead:
    """The lock, and the connection that holds it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None

    async def held(self) -> bool:
        """Whether we lead now; tries to take the lead if nobody has it."""
        if self._connection is None:
            connection = await self._pool.acquire(timeout=5)
            if not await connection.fetchval(QUERIES.try_lead):
                await self._pool.release(connection)
                return False
            self._connection = connection
        try:
            await self._connection.fetchval("SELECT 1", timeout=5)
        except OUTAGES:
            await self.give_up()
            raise
        return True

    async def give_up(self) -> None:
        """Let another lead: close the connection, and with it the lock."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()
            await self._pool.release(connection)
