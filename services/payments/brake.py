"""The brake: where the books look wrong, no card is touched and ops are told (failure mode 1).

Two reasons pull it: the balance of an account is not the sum of its entries (that account only), and more
accounts cross their threshold within a minute than a day's business explains (all automatic charges).
"""

from datetime import datetime, timedelta

import asyncpg

from services.payments.alerts import alert
from services.payments.domain.recharging import brake_limit
from services.payments.settings import PaymentsSettings
from services.payments.store import SQL
from shared.postgres.pool import Connection, transaction

WAVE = "charge_wave"
BOOKS_DISAGREE = "books_disagree"


async def is_held(connection: Connection | asyncpg.Pool, now: datetime) -> bool:
    """Whether automatic charges are stopped."""
    row = await connection.fetchrow(SQL.find_brake)
    return row is not None and row["held_until"] is not None and row["held_until"] > now


async def stops_charges(connection: Connection, settings: PaymentsSettings, now: datetime) -> bool:
    """Whether no automatic charge may begin; pulls the brake when too many accounts have crossed just now."""
    if await is_held(connection, now):
        return True
    window = timedelta(seconds=settings.brake_window_seconds)
    crossed = await connection.fetchval(SQL.crossings, now - window, now + window)
    if crossed <= settings.brake_accounts_min:
        return False
    with_card = await connection.fetchval(SQL.accounts_with_card)
    limit = brake_limit(with_card, accounts_min=settings.brake_accounts_min, percent=settings.brake_percent)
    if crossed <= limit:
        return False
    detail = f"{crossed} of {with_card} accounts with a card crossed their threshold at once; at most {limit} may"
    held_until = now + timedelta(seconds=settings.brake_hold_seconds)
    if await connection.fetchval(SQL.pull_brake, now, held_until, detail):
        await alert(connection, WAVE, "all", detail, now)
    return True


async def release(pool: asyncpg.Pool, now: datetime) -> bool:
    """An operator has looked: charges go on. Returns whether the brake was held."""
    async with transaction(pool) as connection:
        await connection.execute(SQL.clear_alert, WAVE, "all", now)
        return bool(await connection.fetchval(SQL.release_brake, now))


async def books_agree(connection: Connection, profile: asyncpg.Record, now: datetime) -> bool:
    """Whether the account's balance is the sum of its entries; where it is not, ops are told."""
    account_id = profile["account_id"]
    checked = await connection.fetchrow(
        SQL.verify_balance, account_id, profile["verified_seq"], profile["verified_balance_micros"]
    )
    if checked is not None and checked["agrees"]:
        await connection.execute(SQL.set_verified, account_id, checked["seq"], checked["balance_micros"])
        return True
    detail = "the balance is not the sum of its entries: no card is charged"
    await alert(connection, BOOKS_DISAGREE, account_id, detail, now, account_id=account_id)
    return False
