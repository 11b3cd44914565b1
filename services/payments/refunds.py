"""Refunds to the card: asked for by the platform, or made in the provider's dashboard; each moves money once.

The books follow the provider: one entry per refund of theirs, taken back when it fails (payments.md §4.6).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog

from services.payments.applying import apply_payment
from services.payments.context import Context
from services.payments.domain.attempts import State
from services.payments.provider import NotAtProvider, Refund, RefundOrder, Rejected, Unknown
from services.payments.store import SQL, Attempt, append_event, lock_profile, payable_account
from shared.crash_points import reach
from shared.money import MICROS_PER_CENT, usd_text
from shared.postgres.pool import Connection, transaction

LEASE = timedelta(seconds=60)
RECHECK = timedelta(seconds=30)

log = structlog.get_logger(__name__)


async def attempt_of_payment(context: Context, payment_id: str) -> Attempt | None:
    """The credited attempt of a payment; asks the provider where its news has not arrived. None: not ours."""
    row = await context.pool.fetchrow(SQL.find_attempt_of_payment, context.provider.name, payment_id)
    if row is None or row["transfer_id"] is None:
        try:
            await apply_payment(context, await context.provider.find_payment(payment_id))
        except NotAtProvider:
            return None
        row = await context.pool.fetchrow(SQL.find_attempt_of_payment, context.provider.name, payment_id)
    if row is None or row["transfer_id"] is None:
        return None
    return Attempt.of(row)


async def apply_refunds_of(context: Context, payment_id: str) -> None:
    """Mirror every refund of a payment. Cumulative amounts are never looked at."""
    attempt = await attempt_of_payment(context, payment_id)
    if attempt is None:
        return
    for refund in await context.provider.refunds_of(payment_id):
        await apply_refund(context, attempt, refund)


async def apply_refund(context: Context, attempt: Attempt, refund: Refund) -> None:
    """Bring one refund into the books: taken once, given back once when it failed."""
    assert attempt.transfer_id is not None
    now = context.now()
    refund_id = refund.refund_id or refund.provider_refund_id
    async with transaction(context.pool) as connection:
        await lock_profile(connection, attempt.account_id)
        await connection.execute(
            SQL.keep_foreign_refund,
            refund_id,
            attempt.account_id,
            attempt.payment_id,
            attempt.transfer_id,
            refund.amount_cents,
            "made at the provider",
            refund.created_at,
        )
        row = await connection.fetchrow(SQL.find_refund, refund_id)
        assert row is not None, refund_id
        await _mirror(context, connection, attempt, row, refund, now)
        reach("refund_crediting")
    context.tell(attempt.account_id)


async def _mirror(
    context: Context, connection: Connection, attempt: Attempt, row: asyncpg.Record, refund: Refund, now: datetime
) -> None:
    transfer_id = row["refund_transfer_id"]
    if refund.is_gone and transfer_id is None:
        # It failed before we heard of it: no money left, none comes back.
        await connection.execute(SQL.apply_to_refund, row["refund_id"], "failed", refund.provider_refund_id, None)
        return
    origin = f"{context.provider.name}:{refund.provider_refund_id}"
    amount_micros = refund.amount_cents * MICROS_PER_CENT
    metadata = {
        "refund_id": refund.provider_refund_id,
        "payment_intent_id": attempt.payment_id,
        "refunds_transaction": attempt.transfer_id,
        "to": "card",
        "reason": row["reason"],
    }
    if transfer_id is None:
        transfer_id, is_new = await _post(
            connection, attempt, "refund", -amount_micros, origin, "Refund to the card", metadata, now
        )
        if is_new:
            await _say_refunded(connection, attempt, refund, transfer_id, now)
    if refund.is_gone:
        description = "Refund to the card failed"
        await _post(connection, attempt, "refund_failed", amount_micros, f"{origin}:failed", description, metadata, now)
    state = "failed" if refund.is_gone else "refunded"
    await connection.execute(SQL.apply_to_refund, row["refund_id"], state, refund.provider_refund_id, transfer_id)


async def _post(
    connection: Connection,
    attempt: Attempt,
    reason: str,
    amount_micros: int,
    origin: str,
    description: str,
    metadata: dict[str, Any],
    now: datetime,
) -> tuple[int, bool]:
    posted = await connection.fetchrow(
        SQL.post_credit,
        attempt.account_id,
        "refund",
        reason,
        amount_micros,
        origin,
        description,
        attempt.payment_id,
        metadata,
        now,
    )
    assert posted is not None
    return posted["transfer_id"], posted["is_new"]


async def _say_refunded(
    connection: Connection, attempt: Attempt, refund: Refund, transfer_id: int, now: datetime
) -> None:
    data = {
        "charge_id": attempt.attempt_id,
        "payment_intent_id": attempt.payment_id,
        "refund_id": refund.provider_refund_id,
        "amount_cents": refund.amount_cents,
        "amount_usd": usd_text(refund.amount_cents),
        "transaction_id": transfer_id,
    }
    await append_event(connection, attempt.account_id, "charge_refunded", data, now)


@dataclass(frozen=True, slots=True)
class TooMuch:
    """Not so much is left of the payment, or calls under way are covered by it (failure mode 11)."""

    left_cents: int
    is_held: bool = False


async def room_for(connection: Connection, attempt: Attempt, amount_cents: int | None) -> int | TooMuch:
    """The cents to refund, `amount_cents` or all that is left. The caller holds the profile's lock."""
    refunded = await connection.fetchval(SQL.refunded_cents, attempt.payment_id)
    left = attempt.amount_cents - refunded
    wanted = left if amount_cents is None else amount_cents
    if wanted <= 0 or wanted > left:
        return TooMuch(left)
    account = await payable_account(connection, attempt.account_id)
    assert account is not None
    free = account["balance_micros"] + account["credit_limit_micros"] - account["held_micros"]
    if account["held_micros"] > 0 and wanted * MICROS_PER_CENT > free:
        return TooMuch(max(0, free // MICROS_PER_CENT), is_held=True)
    return wanted


async def drive_refund(context: Context, refund_id: str) -> asyncpg.Record:
    """Send a refund that is new or unclear, with its own id as key; returns its row as it then is."""
    reach("refund_created")
    now = context.now()
    leased = await context.pool.fetchrow(SQL.lease_refund, refund_id, now, now + LEASE)
    if leased is not None:
        attempt = await attempt_of_payment(context, leased["payment_id"])
        assert attempt is not None, leased["payment_id"]
        order = RefundOrder(
            refund_id, leased["account_id"], leased["payment_id"], leased["amount_cents"], leased["reason"]
        )
        outcome = await _send(context, order, leased["first_sent_at"], now)
        reach("refund_sent")
        if isinstance(outcome, Refund):
            await apply_refund(context, attempt, outcome)
        elif isinstance(outcome, Rejected):
            await context.pool.execute(SQL.set_refund_error, refund_id, outcome.message[:500])
        else:
            log.warning("refund_unknown", refund_id=refund_id, detail=outcome.detail)
            await context.pool.execute(SQL.set_refund_unknown, refund_id, context.now() + RECHECK, outcome.detail[:500])
    row = await context.pool.fetchrow(SQL.find_refund, refund_id)
    assert row is not None
    return row


async def _send(
    context: Context, order: RefundOrder, first_sent_at: datetime, now: datetime
) -> Refund | Rejected | Unknown:
    age_seconds = (now - first_sent_at).total_seconds()
    if age_seconds < context.provider.capabilities.key_life_seconds:
        outcome = await context.provider.refund(order)
        if not (isinstance(outcome, Unknown) and outcome.is_stored):
            return outcome
    for made in await context.provider.refunds_of(order.payment_id):
        if made.refund_id == order.refund_id:
            return made
    if age_seconds >= timedelta(hours=24).total_seconds():
        return Rejected("refund_refused", "The provider has no such refund.")
    return Unknown("the key is too old to send again, and no refund is found")


def is_refundable(attempt: Attempt) -> bool:
    return attempt.state is State.SUCCEEDED and attempt.payment_id is not None
