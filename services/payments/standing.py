"""What a changed balance or a failed charge means for an account's standing. Callers hold the profile's lock."""

from datetime import datetime

import asyncpg

from services.payments.domain.recharging import Standing
from services.payments.store import SQL, payable_account, standing_of
from shared.postgres.pool import Connection


async def settle_standing(connection: Connection, account_id: str, now: datetime) -> None:
    """After a credit: a billing suspension is lifted where nothing is owed any more, and a dispute's part shrinks."""
    account = await payable_account(connection, account_id)
    profile = await connection.fetchrow(SQL.find_profile, account_id)
    assert account is not None, account_id
    assert profile is not None, account_id
    standing = standing_of(account, profile)
    await keep_dispute_debt(connection, profile, standing)
    if not standing.is_overdrawn and account["billing_suspension"] is not None:
        await connection.execute(SQL.set_suspension, account_id, None, now)


async def keep_dispute_debt(connection: Connection, profile: asyncpg.Record, standing: Standing) -> None:
    """A debt that has been paid is a dispute's debt no more."""
    if standing.dispute_debt_micros != profile["dispute_debt_micros"]:
        await connection.execute(SQL.set_dispute_debt, profile["account_id"], standing.dispute_debt_micros)


async def suspend_after_decline(connection: Connection, account_id: str, now: datetime) -> None:
    """The charge of what is owed has failed: suspended, with the reason that says so (contract §5, Suspension)."""
    account = await payable_account(connection, account_id)
    assert account is not None, account_id
    if account["balance_micros"] + account["credit_limit_micros"] < 0:
        await connection.execute(SQL.set_suspension, account_id, "payment_failed", now)
