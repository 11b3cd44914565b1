"""A network that swallows every packet, and is well again: who waited goes on soon, on connections that are new."""

import asyncio
import time
from urllib.parse import urlsplit

import asyncpg
import pytest
from yarl import URL

from shared.postgres.pool import open_pool, transaction
from tests.faults.proxy import FINE, FaultProxy, Weather

PATIENCE_S = 1.0


async def test_whoever_was_not_answered_waits_once_and_for_no_connection_that_is_dead(database_url: str) -> None:
    """Neither for a rollback nor, next time, on another connection that was open while the network was dark."""
    async with FaultProxy(urlsplit(database_url).port or 5432) as proxy:
        url = str(URL(database_url).with_port(proxy.port))
        pool = await open_pool(url, "ledger", size_max=4, command_timeout_seconds=PATIENCE_S)
        await asyncio.gather(*(pool.execute("SELECT pg_sleep(0.2)") for _ in range(4)))
        assert pool.get_size() == 4
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await _work_while_it_gets_dark(pool, proxy)
        assert time.monotonic() - began < 1.5 * PATIENCE_S
        proxy.turn(FINE)
        began = time.monotonic()
        for _ in range(4):
            async with transaction(pool) as connection:
                assert await connection.fetchval("SELECT 1") == 1
        assert time.monotonic() - began < PATIENCE_S
        pool.terminate()


async def test_a_refusal_leaves_the_connection_as_it_is(database_url: str) -> None:
    pool = await open_pool(database_url, "ledger", size_max=1)
    before = await pool.fetchval("SELECT pg_backend_pid()")
    with pytest.raises(asyncpg.UndefinedTableError):
        await _work_that_is_refused(pool)
    assert await pool.fetchval("SELECT pg_backend_pid()") == before
    assert await pool.fetchval("SELECT to_regclass('pg_temp.left_behind') IS NULL")
    await pool.close()


async def _work_while_it_gets_dark(pool: asyncpg.Pool, proxy: FaultProxy) -> None:
    async with transaction(pool) as connection:
        await connection.execute("SELECT 1")
        proxy.turn(Weather(blackhole=True))
        await connection.execute("SELECT 1")


async def _work_that_is_refused(pool: asyncpg.Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("CREATE TEMP TABLE left_behind ()")
        await connection.execute("SELECT FROM nowhere")
