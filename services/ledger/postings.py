"""Money that moves by hand: the sign-up credit and adjustments. Each is one transfer."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from services.ledger.transfers import Transfer, post_transfers
from shared.http_errors import ApiError
from shared.ids import new_id
from shared.money import MICROS_PER_CENT
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

BALANCE_MICROS_MAX: Final = 10**15
"""A billion dollars either way: beyond it somebody is mistaken, and a bigint is still far from full."""

_SQL = Queries.load(Path(__file__).parent / "queries" / "postings.sql")


async def post_signup_credit(connection: Connection, account_id: str, amount_cents: int, *, now: datetime) -> None:
    """The gift that opens an account (contract §4); it never expires."""
    credit = Transfer(
        account_id=account_id,
        kind="credit",
        reason="signup_credit",
        amount_micros=amount_cents * MICROS_PER_CENT,
        counter_account="promotions",
        description="Sign-up credit",
        reference_type="event",
        reference_id=f"signup:{account_id}",
        origin=f"signup:{account_id}",
    )
    await post_transfers(connection, [credit], now)


async def post_adjustment(
    connection: Connection, account_id: str, *, amount_cents: int, description: str, now: datetime
) -> dict[str, Any]:
    """Give or take money by hand; returns the transaction. Raises 422 where the balance would leave its range."""
    amount_micros = amount_cents * MICROS_PER_CENT
    balance_micros = await connection.fetchval(_SQL.balance_of_locked, account_id)
    if abs(balance_micros + amount_micros) > BALANCE_MICROS_MAX:
        raise ApiError(422, "balance_out_of_range", "No balance may be beyond a billion dollars either way.")
    adjustment_id = new_id("adj", now)
    adjustment = Transfer(
        account_id=account_id,
        kind="adjustment",
        reason="adjustment",
        amount_micros=amount_micros,
        counter_account="adjustments",
        description=description,
        reference_type="event",
        reference_id=adjustment_id,
        origin=adjustment_id,
    )
    (transfer_id,) = await post_transfers(connection, [adjustment], now)
    return await transaction_json(connection, transfer_id)


async def transaction_json(connection: Connection, transfer_id: int) -> dict[str, Any]:
    """A posted transfer as customers read it."""
    posted: dict[str, Any] = await connection.fetchval(_SQL.transaction, transfer_id)
    return posted
