"""Give a debit back to the wallet it was taken from (contract §4, transactions).

Decisions where the contract is silent:
- The transaction has kind and reason `refund`: §5 says that a refund *to the card* is negative; this one, to the
  wallet, is positive, and ties to the call, message, chat or number of the debit.
- Debits only. Corrections of the same usage count as given back, so that nothing is given back twice.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.ledger.postings import transaction_json
from shared.http_errors import ApiError, not_found
from shared.money import MICROS_PER_CENT, usd_exact
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

_SQL = Queries.load(Path(__file__).parent / "queries" / "refunds.sql")


@dataclass(frozen=True, slots=True)
class Refund:
    """`amount_cents` None: all that is left."""

    transaction_id: int
    amount_cents: int | None
    reason: str


async def account_of_transaction(pool: asyncpg.Pool, transaction_id: int) -> str:
    """Whose it is; raises 404."""
    account_id: str | None = await pool.fetchval(_SQL.account_of_transaction, transaction_id)
    if account_id is None:
        raise not_found("transaction")
    return account_id


async def refund_to_wallet(connection: Connection, refund: Refund, *, now: datetime) -> dict[str, Any]:
    """Post the refund; returns the transaction. Raises 409 `not_refundable`, 422 `refund_exceeds_original`."""
    micros = None if refund.amount_cents is None else refund.amount_cents * MICROS_PER_CENT
    row = await connection.fetchrow(_SQL.refund_debit, refund.transaction_id, micros, refund.reason, now)
    assert row is not None
    match row["outcome"]:
        case "refunded":
            return await transaction_json(connection, row["transfer_id"])
        case "exceeds_original":
            raise _too_much(row["left_micros"])
        case "not_refundable":
            raise ApiError(409, "not_refundable", "Only what was debited can be given back to the wallet.")
        case outcome:
            raise AssertionError(f"unknown outcome {outcome} of a refund")


def _too_much(left_micros: int) -> ApiError:
    return ApiError(
        422,
        "refund_exceeds_original",
        "All refunds of a transaction together are never more than the original.",
        refundable_usd=usd_exact(left_micros),
    )
