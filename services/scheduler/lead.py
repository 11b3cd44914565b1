"""One scheduler among the replicas leads: it holds an advisory lock on a connection of its own.

When the connection breaks PostgreSQL gives the lock up, and another replica leads within a second. For a moment
two may both think they lead; then a tick comes twice, which changes nothing.
"""

import asyncpg

from services.scheduler.store import QUERIES

PATIENCE_SECONDS = 5.0


class Lead:
    """The lock, and the connection that holds it. A stalled server costs us the lead, never a connection."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None

    async def held(self) -> bool:
        """Whether we lead now; tries to take the lead if nobody has it. Raises an outage after some seconds."""
        if self._connection is None:
            self._connection = await self._pool.acquire(timeout=PATIENCE_SECONDS)
            try:
                leads = await self._connection.fetchval(QUERIES.try_lead, timeout=PATIENCE_SECONDS)
            except BaseException:
                await self.give_up()
                raise
            if not leads:
                connection, self._connection = self._connection, None
                await self._pool.release(connection, timeout=PATIENCE_SECONDS)
                return False
        try:
            await self._connection.fetchval(QUERIES.still_there, timeout=PATIENCE_SECONDS)
        except BaseException:
            await self.give_up()
            raise
        return True

    async def give_up(self) -> None:
        """Let another lead: close the connection, and with it the lock."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.terminate()
            await self._pool.release(connection, timeout=PATIENCE_SECONDS)
