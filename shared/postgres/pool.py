"""Connections of one service: its own role, its own schema first, JSON as Python values."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import asyncpg
import orjson

from shared import tracing

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

OUTAGES: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.exceptions.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,  # a migration changed the plan: the next try makes another
    asyncpg.OutdatedSchemaCacheError,
)
"""What a database call raises when the books are out of reach: wait and try again, nothing is wrong with the call."""


async def role_prefix(connection: Connection) -> str:
    """The prefix of this database's roles; they are cluster-wide, so it is the database's name unless set otherwise."""
    prefix: str = await connection.fetchval("SELECT role_prefix FROM public.ringfence_installation")
    return prefix


async def open_pool(
    url: str,
    service: str,
    *,
    size_max: int = 8,
    command_timeout_seconds: float = 30,
    connect_timeout_seconds: float = 5,
    isolation: Literal["read_committed", "repeatable_read"] = "read_committed",
) -> asyncpg.Pool:
    """A pool whose connections act as the role of `service`; what it may not touch is refused by PostgreSQL."""
    first = await asyncpg.connect(url, timeout=connect_timeout_seconds)
    try:
        role = f"{await role_prefix(first)}_{service}"
        waits_for_disk = await first.fetchval("SHOW synchronous_commit") not in ("off", "local")
    finally:
        await first.close()
    settings = {
        "role": role,
        "application_name": f"ringfence-{service}",
        "search_path": f"{service},pg_temp",
        "jit": "off",
        "timezone": "UTC",
        "default_transaction_isolation": isolation.replace("_", " "),
    }
    if not waits_for_disk:  # an acknowledged commit must survive; what waits for a standby besides is left so
        settings["synchronous_commit"] = "on"
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size_max,
        timeout=connect_timeout_seconds,
        command_timeout=command_timeout_seconds,
        server_settings=settings,
        init=_speak_json,
        reset=_leave_as_it_is,
    )


async def _speak_json(connection: asyncpg.Connection) -> None:
    tracing.follow_statements(connection)
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=_json_text, decoder=orjson.loads, format="text"
        )


async def _leave_as_it_is(_: Connection) -> None:
    """A connection given back has no state to clear: settings, locks and cursors are the transaction's throughout, and
    a transaction left open is rolled back before. The driver's own clearing is a round trip of four statements."""


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


@asynccontextmanager
async def transaction(pool: asyncpg.Pool, *, acquire_timeout_seconds: float = 10) -> AsyncIterator[Connection]:
    """One transaction on one connection: committed when the block ends, rolled back when it raises.

    Who did not answer in time is not asked to roll back: the connection is dropped, and so are, before they are used
    again, the others that were open then, since what swallowed its packets has swallowed theirs.
    """
    with tracing.span("transaction", "client", attributes={"db.system.name": "postgresql"}):
        async with pool.acquire(timeout=acquire_timeout_seconds) as connection:
            work = connection.transaction()
            try:
                await work.start()
                try:
                    yield connection
                except BaseException as error:
                    if not isinstance(error, TimeoutError):
                        await work.rollback()
                    raise
                await work.commit()
            except TimeoutError:
                with suppress(asyncpg.InterfaceError):  # it is gone already
                    connection.terminate()
                await pool.expire_connections()
                raise
