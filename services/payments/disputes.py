"""Disputes mirrored: the money is taken when the bank took it, comes back when it did, and never twice.

An inquiry takes nothing. What a dispute took is never charged again by ourselves, and automatic charges pause:
whoever disputes a charge has not agreed to the next one.
"""

from datetime import datetime
from typing import Any

from services.payments.context import Context
from services.payments.provider import Dispute
from services.payments.recharging import consider
from services.payments.refunds import attempt_of_payment
from services.payments.store import SQL, Attempt, append_event, lock_profile, payable_account
from shared.money import MICROS_PER_CENT, usd_text
from shared.postgres.pool import Connection, transaction


async def apply_dispute(context: Context, dispute: Dispute) -> None:
    """Bring one dispute into the books."""
    if dispute.payment_id is None:
        return
    attempt = await attempt_of_payment(context, dispute.payment_id)
    if attempt is None:
        return
    now = context.now()
    async with transaction(context.pool) as connection:
        await lock_profile(connection, attempt.account_id)
        await _mirror(context, connection, attempt, dispute, now)
    context.tell(attempt.account_id)
    await consider(context, attempt.account_id)


async def _mirror(context: Context, connection: Connection, attempt: Attempt, dispute: Dispute, now: datetime) -> None:
    known = await connection.fetchrow(
        SQL.keep_dispute,
        dispute.dispute_id,
        attempt.account_id,
        dispute.payment_id,
        dispute.amount_cents,
        dispute.status,
        dispute.created_at,
    )
    assert known is not None
    if known["is_new"]:
        data = _dispute_json(attempt, dispute)
        await append_event(connection, attempt.account_id, "charge_disputed", data, now)
    if dispute.is_taken and not known["is_taken"]:
        await _take(context, connection, attempt, dispute, now)
    if dispute.is_returned and not known["is_returned"]:
        await _give_back(context, connection, attempt, dispute, now)
    taken, returned = dispute.is_taken or known["is_taken"], dispute.is_returned or known["is_returned"]
    await connection.execute(SQL.set_dispute_money, dispute.dispute_id, taken, returned)


async def _take(context: Context, connection: Connection, attempt: Attempt, dispute: Dispute, now: datetime) -> None:
    amount_micros = dispute.amount_cents * MICROS_PER_CENT
    origin = f"{context.provider.name}:{dispute.dispute_id}"
    await _post(connection, attempt, dispute, "dispute", -amount_micros, origin, "Disputed payment", now)
    profile = await lock_profile(connection, attempt.account_id)
    account = await payable_account(connection, attempt.account_id)
    assert account is not None
    debt = min(profile["dispute_debt_micros"] + amount_micros, max(0, -account["balance_micros"]))
    await connection.execute(SQL.set_dispute_debt, attempt.account_id, debt)
    if profile["stopped"] is None:
        await connection.execute(SQL.stop_charging, attempt.account_id, "dispute")
        if profile["reload_enabled"]:
            data = {"reason": "dispute", **_dispute_json(attempt, dispute)}
            await append_event(connection, attempt.account_id, "auto_reload_paused", data, now)


async def _give_back(
    context: Context, connection: Connection, attempt: Attempt, dispute: Dispute, now: datetime
) -> None:
    amount_micros = dispute.amount_cents * MICROS_PER_CENT
    origin = f"{context.provider.name}:{dispute.dispute_id}:won"
    await _post(connection, attempt, dispute, "dispute_won", amount_micros, origin, "Dispute won", now)
    profile = await lock_profile(connection, attempt.account_id)
    debt = max(0, profile["dispute_debt_micros"] - amount_micros)
    await connection.execute(SQL.set_dispute_debt, attempt.account_id, debt)
    await connection.execute(SQL.resume_after_dispute, attempt.account_id)


async def _post(
    connection: Connection,
    attempt: Attempt,
    dispute: Dispute,
    reason: str,
    amount_micros: int,
    origin: str,
    description: str,
    now: datetime,
) -> None:
    metadata = {"dispute_id": dispute.dispute_id, "payment_intent_id": dispute.payment_id, "status": dispute.status}
    await connection.execute(
        SQL.post_credit,
        attempt.account_id,
        "adjustment",
        reason,
        amount_micros,
        origin,
        description,
        dispute.payment_id,
        metadata,
        now,
    )


def _dispute_json(attempt: Attempt, dispute: Dispute) -> dict[str, Any]:
    return {
        "charge_id": attempt.attempt_id,
        "payment_intent_id": dispute.payment_id,
        "dispute_id": dispute.dispute_id,
        "status": dispute.status,
        "amount_cents": dispute.amount_cents,
        "amount_usd": usd_text(dispute.amount_cents),
    }
