"""What the database itself refuses, whatever the code above it does."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from shared.postgres.pool import open_pool
from shared.settings import Settings
from tests.services.subscriptions.many import administrator, make_subscriptions

START = datetime(2027, 1, 1, tzinfo=UTC)

PERIOD = """
    INSERT INTO subscriptions.periods (subscription_id, number, period_start, period_end, follows)
    VALUES ('sub_client-00000', $1, $2, $3, $4)
    """


@pytest.mark.parametrize(
    ("starts_late_days", "follows_days"),
    [(0, None), (1, 0), (1, 1), (-1, -1)],
    ids=["follows nothing", "leaves a gap", "follows nothing that ends there", "overlaps"],
)
async def test_periods_that_do_not_tile_time_are_refused(
    settings: Settings, starts_late_days: int, follows_days: int | None
) -> None:
    await make_subscriptions(settings.postgres_url, 1, started_at=START)
    async with administrator(settings.postgres_url) as admin:
        end = await admin.fetchval("SELECT period_end FROM subscriptions.periods")
        starts = end + timedelta(days=starts_late_days)
        follows = None if follows_days is None else end + timedelta(days=follows_days)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await admin.execute(PERIOD, 2, starts, starts + timedelta(days=30), follows)


async def test_a_period_is_followed_only_once(settings: Settings) -> None:
    await make_subscriptions(settings.postgres_url, 1, started_at=START)
    async with administrator(settings.postgres_url) as admin:
        end = await admin.fetchval("SELECT period_end FROM subscriptions.periods")
        await admin.execute(PERIOD, 2, end, end + timedelta(days=30), end)
        with pytest.raises(asyncpg.UniqueViolationError):
            await admin.execute(PERIOD, 3, end, end + timedelta(days=31), end)


async def test_a_period_asks_for_its_fee_only_once(settings: Settings) -> None:
    await make_subscriptions(settings.postgres_url, 1, started_at=START)
    async with administrator(settings.postgres_url) as admin:
        with pytest.raises(asyncpg.UniqueViolationError):
            await admin.execute(
                """
                INSERT INTO subscriptions.payment_requests
                SELECT (jsonb_populate_record(r, '{"request_id": "preq_twin"}')).*
                FROM subscriptions.payment_requests AS r
                """
            )


async def test_the_service_comes_to_the_books_by_their_doors_only(settings: Settings) -> None:
    """Crossing the line fails with *permission denied*."""
    pool = await open_pool(settings.postgres_url, "subscriptions", size_max=1)
    try:
        for forbidden in (
            "UPDATE ledger.pools SET wallet_ms = 1",
            "UPDATE ledger.accounts SET access_refusal = NULL",
            "SELECT balance_micros FROM ledger.accounts",
            "SELECT ledger.close_pools_v1('{}', now())",
            "DELETE FROM subscriptions.payment_requests",
            "SELECT ledger.post_credit_v1('a', 'credit', 'topup', 1, 'x', 'o', 'd', 'payment', 'r', '{}', now())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(forbidden)
    finally:
        await pool.close()


async def test_minutes_are_granted_once_for_each_cause(settings: Settings) -> None:
    await make_subscriptions(settings.postgres_url, 1, started_at=START)
    pool = await open_pool(settings.postgres_url, "subscriptions", size_max=1)
    try:
        for is_new in (True, False):
            granted = await pool.fetchval(
                "SELECT ledger.grant_minutes_v1('client-00000', 60000, 'pack:preq_1', $1)", START
            )
            assert granted is is_new
        wallet_ms = await pool.fetchval("SELECT wallet_ms FROM ledger.plan_usage_v1 WHERE account_id = 'client-00000'")
        assert wallet_ms == 60_000
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await pool.fetchval("SELECT ledger.grant_minutes_v1('nobody', 60000, 'pack:preq_2', $1)", START)
    finally:
        await pool.close()
