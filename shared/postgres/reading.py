"""Reads that end in time, even when the server hangs or the network swallows every packet.

A pool alone waits for a cancelled query to be confirmed by the very server that doesn't answer, and its connections
stay out for as long as TCP keeps hoping.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from shared.postgres.pool import Connection


class Reading:
    """One statement on one connection at a time. Raises an outage, TimeoutError after `seconds`."""

    def __init__(self, pool: asyncpg.Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        async with self._connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> asyncpg.Record | None:
        async with self._connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        async with self._connection() as connection:
            return await connection.fetchval(query, *args)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        async with asyncio.timeout(self._seconds):
            connection = await self._pool.acquire()
            try:
                yield connection
            except asyncio.CancelledError:
                connection.terminate()
                raise
            finally:
                await self._pool.release(connection)
