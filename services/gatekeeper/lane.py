"""The gate's own connection to the books, and what counts as not reaching them."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Protocol

import asyncpg

from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.handlers import Settled
from shared.postgres.pool import OUTAGES, Connection
from shared.tasks import look_at

OPENING_SECONDS_MAX = 10.0
NO_OUTAGE = asyncpg.LockNotAvailableError | asyncpg.InvalidCachedStatementError | asyncpg.OutdatedSchemaCacheError


class Settles(Protocol):
    """Decides a batch inside the lane's transaction."""

    def __call__(
        self, connection: Connection, asks: Sequence[Ask], *, skips_locked: bool = False
    ) -> Awaitable[Settled]: ...


def is_outage(error: BaseException) -> bool:
    """asyncpg calls a value it can't encode an InterfaceError, too; that is nobody's outage, nor is a locked row, nor a
    plan that a migration has made stale: asked again, it is made anew."""
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError | NO_OUTAGE)


class Lane:
    """One connection, kept from batch to batch (a pool would reset it each time), replaced after any trouble.

    Connecting and planning go on beyond the deadline of the batch that waited for them: where they take longer than a
    batch has, each would else begin them anew and none would ever be answered, although the books are there.
    """

    def __init__(self, pool: asyncpg.Pool, settle: Settles) -> None:
        self._pool = pool
        self._settle = settle
        self._connection: asyncpg.pool.PoolConnectionProxy | None = None
        self._opening: asyncio.Task[asyncpg.pool.PoolConnectionProxy] | None = None

    async def commit(self, asks: Sequence[Ask], *, skips_locked: bool = False) -> Settled:
        """One transaction; rolled back when `settle` raises. After an outage or a timeout call `cut`."""
        return await self._transact(await self.ready(), asks, skips_locked=skips_locked)

    async def ready(self) -> asyncpg.pool.PoolConnectionProxy:
        """The connection; cancelled, it goes on opening one for whoever asks next."""
        if self._connection is not None and _is_lost(self._connection):
            self._connection = None
        if self._connection is None:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open(), name="gate opens a connection")
                self._opening.add_done_callback(look_at)  # whoever asks next is told
            opening = self._opening
            try:
                self._connection = await asyncio.shield(opening)
            finally:
                if opening.done():
                    self._opening = None
        return self._connection

    async def _open(self) -> asyncpg.pool.PoolConnectionProxy:
        async with asyncio.timeout(OPENING_SECONDS_MAX):
            connection = await self._pool.acquire()
            try:
                await self._transact(connection, [])
            except BaseException:
                connection.terminate()
                raise
        return connection

    async def _transact(
        self, connection: asyncpg.pool.PoolConnectionProxy, asks: Sequence[Ask], *, skips_locked: bool = False
    ) -> Settled:
        await connection.execute("BEGIN")
        try:
            settled = await self._settle(connection, asks, skips_locked=skips_locked)
        except Exception as error:
            if not is_outage(error):
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return settled

    def cut(self) -> None:
        """Drop the connection without asking the server, which may be the one that hangs."""
        connection, self._connection = self._connection, None
        if connection is not None and not _is_lost(connection):
            connection.terminate()  # its pool notices and makes room for another

    def close(self) -> None:
        """For good."""
        self.cut()
        if self._opening is not None:
            self._opening.cancel()


def _is_lost(connection: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Closed; one that the server closed has also been taken back by its pool, and says so by an error."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True
