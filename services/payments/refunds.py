"""Refunds to the card: asked for by the platform, or made in the provider's dashboard; each moves money once.

One that we ask for is ring-fenced first: its debit is committed, under the lock holds are granted under, before
the provider is asked, and comes back when the provider refuses (failure mode 11). One made in the dashboard is
mirrored: one entry per refund, given back when it fails (payments.md §4.6).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from services.payments.applying import apply_payment
from services.payments.charging import LEASE
from services.payments.context import Context
from services.payments.domain.attempts import State
from services.payments.provider import NotAtProvider, Refund, RefundOrder, Rejected, Unknown
from services.payments.store import SQL, Attempt, append_event, lock_profile, payable_account
from shared.crash_points import reach
from shared.ids import new_id
from shared.money import MICROS_PER_CENT, usd_text
from shared.postgres.pool import Connection, transaction

DESCRIPTIONS = {"refund": "Refund to the card", "refund_failed": "Refund to the card failed"}
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
    provider_id = refund.provider_refund_id
    if refund.is_gone and transfer_id is None:
        # It failed before we heard of it: no money left, none comes back.
        await connection.execute(SQL.apply_to_refund, row["refund_id"], "failed", provider_id, None, None)
        return
    # Without a debit, or with one that was given up and reversed, the provider's id names the one to make.
    mirrored = f"{context.provider.name}:{provider_id}"
    origin = mirrored if transfer_id is None else row["origin"] or mirrored
    if transfer_id is None:
        transfer_id = await _post(connection, attempt, row, "refund", -refund.amount_cents, origin, now)
    if row["state"] not in ("refunded", "failed"):
        await _say_refunded(connection, attempt, refund, transfer_id, now)
    if refund.is_gone:
        await _post(connection, attempt, row, "refund_failed", refund.amount_cents, f"{origin}:failed", now)
    state = "failed" if refund.is_gone else "refunded"
    await connection.execute(SQL.apply_to_refund, row["refund_id"], state, provider_id, transfer_id, origin)


async def _post(
    connection: Connection,
    attempt: Attempt,
    row: asyncpg.Record,
    reason: str,
    amount_cents: int,
    origin: str,
    now: datetime,
) -> int:
    metadata = {
        "refund_id": row["refund_id"],
        "payment_intent_id": attempt.payment_id,
        "refunds_transaction": attempt.transfer_id,
        "to": "card",
        "reason": row["reason"],
    }
    posted = await connection.fetchrow(
        SQL.post_credit,
        attempt.account_id,
        "refund",
        reason,
        amount_cents * MICROS_PER_CENT,
        origin,
        DESCRIPTIONS[reason],
        attempt.payment_id,
        metadata,
        now,
    )
    assert posted is not None
    transfer_id: int = posted["transfer_id"]
    return transfer_id


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


async def begin_refund(
    connection: Connection,
    attempt: Attempt,
    amount_cents: int | None,
    *,
    reason: str,
    key: str | None,
    request_hash: bytes | None,
    now: datetime,
) -> asyncpg.Record | TooMuch:
    """Take the money out of the wallet, `amount_cents` or all that is left of the payment, and write down why.

    The caller holds the profile's lock; on `TooMuch` it rolls back. Nothing is sent before it has committed.
    """
    left = attempt.amount_cents - await connection.fetchval(SQL.refunded_cents, attempt.payment_id)
    wanted = left if amount_cents is None else amount_cents
    if wanted <= 0 or wanted > left:
        return TooMuch(left)
    refund_id = new_id("rfd", now)
    origin = f"{attempt.provider}:{refund_id}"
    row = await connection.fetchrow(
        SQL.insert_refund,
        refund_id,
        attempt.account_id,
        attempt.payment_id,
        attempt.transfer_id,
        wanted,
        reason,
        key,
        request_hash,
        now + RECHECK,
        now,
        origin,
    )
    assert row is not None
    transfer_id = await _post(connection, attempt, row, "refund", -wanted, origin, now)
    # Read after the debit, which holds the lock of the account's row: no hold can come in between.
    account = await payable_account(connection, attempt.account_id)
    assert account is not None
    left_micros = account["balance_micros"] + account["credit_limit_micros"] - account["held_micros"]
    if account["held_micros"] > 0 and left_micros < 0:
        return TooMuch(max(0, wanted + left_micros // MICROS_PER_CENT), is_held=True)
    await connection.execute(SQL.set_refund_debit, refund_id, transfer_id)
    return row


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
            await _give_up(context, attempt, leased, outcome)
        else:
            log.warning("refund_unknown", refund_id=refund_id, detail=outcome.detail)
            await context.pool.execute(SQL.set_refund_unknown, refund_id, context.now() + RECHECK, outcome.detail[:500])
    row = await context.pool.fetchrow(SQL.find_refund, refund_id)
    assert row is not None
    return row


async def _give_up(context: Context, attempt: Attempt, row: asyncpg.Record, refusal: Rejected) -> None:
    """The provider made no refund and will not: the money is the wallet's again, in the commit that says so."""
    now = context.now()
    async with transaction(context.pool) as connection:
        await lock_profile(connection, attempt.account_id)
        origin = await connection.fetchval(SQL.set_refund_error, row["refund_id"], refusal.message[:500])
        if origin is not None:
            await _post(connection, attempt, row, "refund_failed", row["amount_cents"], f"{origin}:failed", now)
    context.tell(attempt.account_id)


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
