"""The one way in which the provider's word reaches the books, whoever brought it: the answer to our call, a
webhook, the sweep, the event pull or the audit. Facts may come twice, late and in any order.
"""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.payments.alerts import alert
from services.payments.context import Context
from services.payments.domain.attempts import Kind, State, counts_as_decline, state_after
from services.payments.domain.declines import DeclineClass, after_decline, classify, shown_decline_code
from services.payments.domain.recharging import cap_month
from services.payments.provider import Failure, Payment, Rejected
from services.payments.standing import settle_standing, suspend_after_decline
from services.payments.store import SQL, Attempt, append_event, find_attempt, lock_profile, payable_account
from shared.crash_points import reach
from shared.money import MICROS_PER_CENT, usd_text
from shared.postgres.pool import Connection, transaction

DESCRIPTIONS = {
    Kind.TOPUP: "Top-up by card",
    Kind.AUTO_RELOAD: "Auto-reload",
    Kind.AUTO_CHARGE: "Automatic charge",
    Kind.SETTLE_NEGATIVE: "Settlement of the balance owed",
}
NEXT_CHECK = {
    State.UNKNOWN: timedelta(seconds=15),
    State.PROCESSING: timedelta(minutes=1),
    State.REQUIRES_ACTION: timedelta(minutes=10),
}


async def apply_payment(context: Context, payment: Payment, *, attempt_id: str | None = None) -> Attempt | None:
    """Bring the attempt to where the payment is; a success and its credit are one commit.

    Returns the attempt, or None for a payment that is not ours. `attempt_id`: the attempt that was just sent,
    for a decline that made no payment.
    """
    if not payment.is_ours:
        return None
    now = context.now()
    async with transaction(context.pool) as connection:
        known = await _attempt_of(context, connection, payment, attempt_id, now)
        if known is None:
            return None
        profile = await lock_profile(connection, known.account_id)
        attempt = await find_attempt(connection, known.attempt_id)
        problem = _contradiction(attempt, payment)
        if problem is None:
            await _apply(connection, attempt, profile, payment, now)
        else:
            subject = payment.payment_id or attempt.attempt_id
            await alert(connection, "payment_contradicts", subject, problem, now, account_id=attempt.account_id)
        reach("charge_crediting")
    reach("charge_credited")
    context.tell(attempt.account_id)
    return attempt


async def _attempt_of(
    context: Context, connection: Connection, payment: Payment, attempt_id: str | None, now: datetime
) -> Attempt | None:
    """The attempt a payment belongs to. One whose row was lost, in a restored backup, is written again."""
    provider = context.provider.name
    row = await connection.fetchrow(SQL.find_attempt_of_payment, provider, payment.payment_id)
    row = row or await connection.fetchrow(SQL.find_attempt, attempt_id or payment.attempt_id)
    if row is None and await _rebuild(connection, provider, payment, now):
        row = await connection.fetchrow(SQL.find_attempt, payment.attempt_id)
    return None if row is None else Attempt.of(row)


async def _rebuild(connection: Connection, provider: str, payment: Payment, now: datetime) -> bool:
    if payment.account_id is None or payment.attempt_id is None or payment.kind not in set(Kind):
        return False
    if await payable_account(connection, payment.account_id) is None:
        await alert(connection, "payment_of_no_account", str(payment.payment_id), str(payment.account_id), now)
        return False
    await connection.execute(
        SQL.rebuild_attempt,
        payment.attempt_id,
        payment.account_id,
        payment.kind,
        provider,
        payment.customer_id or "",
        payment.card_id or "",
        payment.amount_cents,
        cap_month(payment.created_at),
        payment.created_at,
    )
    return True


def _contradiction(attempt: Attempt, payment: Payment) -> str | None:
    """Why this payment can't be the attempt's: then nothing moves, and a person looks."""
    if payment.currency != "usd":
        return f"currency {payment.currency} instead of usd"
    if payment.amount_cents != attempt.amount_cents:
        return f"amount {payment.amount_cents} instead of {attempt.amount_cents}"
    if payment.status == "succeeded" and payment.received_cents != attempt.amount_cents:
        return f"received {payment.received_cents} instead of {attempt.amount_cents}"
    if payment.customer_id and attempt.customer_id and payment.customer_id != attempt.customer_id:
        return "another customer's payment"
    if attempt.payment_id is not None and payment.payment_id not in (None, attempt.payment_id):
        return f"a second payment {payment.payment_id} beside {attempt.payment_id}"
    return None


async def _apply(
    connection: Connection, attempt: Attempt, profile: asyncpg.Record, payment: Payment, now: datetime
) -> None:
    after = state_after(attempt.state, payment.status)
    if after is State.SUCCEEDED:
        if attempt.state is not State.SUCCEEDED:
            await _credit(connection, attempt, profile, payment, now)
        return
    if after is State.FAILED and attempt.state is not State.FAILED:
        failure = payment.failure or Failure("card_declined", None, None, "Your card was declined.")
        await _write(connection, attempt, after, payment, now, failure=failure)
        await record_failure(connection, attempt, profile, failure, payment.payment_id, now)
        return
    await _write(connection, attempt, after, payment, now)
    if after is State.REQUIRES_ACTION and attempt.state is not State.REQUIRES_ACTION:
        await _say(connection, attempt, "charge_requires_action", payment.payment_id, now)


async def _write(
    connection: Connection,
    attempt: Attempt,
    after: State,
    payment: Payment,
    now: datetime,
    *,
    failure: Failure | None = None,
    transfer_id: int | None = None,
) -> None:
    wait = NEXT_CHECK.get(after)
    known = (attempt.failure_class, attempt.failure_code, attempt.decline_code, attempt.failure_message)
    if failure is not None:
        known = (_class_of(failure), failure.code, failure.decline_code, failure.message[:500])
    await connection.execute(
        SQL.apply_to_attempt,
        attempt.attempt_id,
        after,
        payment.status,
        payment.payment_id,
        payment.client_secret,
        None if wait is None else now + wait,
        *known,
        transfer_id,
        None if wait is not None else now,
    )


async def _credit(
    connection: Connection, attempt: Attempt, profile: asyncpg.Record, payment: Payment, now: datetime
) -> None:
    """The only place that makes a charge `succeeded`, in the commit that credits it (failure mode 2)."""
    posted = await connection.fetchrow(
        SQL.post_credit,
        attempt.account_id,
        "credit",
        attempt.kind,
        attempt.amount_cents * MICROS_PER_CENT,
        f"{attempt.provider}:{payment.payment_id}",
        DESCRIPTIONS[attempt.kind],
        payment.payment_id,
        {"charge_id": attempt.attempt_id, "payment_intent_id": payment.payment_id, "has_receipt": True},
        now,
    )
    assert posted is not None
    await _write(connection, attempt, State.SUCCEEDED, payment, now, transfer_id=posted["transfer_id"])
    if attempt.kind.is_automatic or profile["stopped"] is None:
        # A charge by hand, perhaps with another card, does not start again what was stopped.
        await connection.execute(SQL.record_success, attempt.account_id)
    if attempt.kind is Kind.TOPUP:
        await connection.execute(SQL.record_topup_outcome, attempt.account_id, None, payment.payment_id)
    more = {"transaction_id": posted["transfer_id"]}
    await _say(connection, attempt, "charge_succeeded", payment.payment_id, now, **more)
    if attempt.kind is Kind.AUTO_RELOAD:
        await _say(connection, attempt, "auto_reload_succeeded", payment.payment_id, now, **more)
    await settle_standing(connection, attempt.account_id, now)


async def record_failure(
    connection: Connection,
    attempt: Attempt,
    profile: asyncpg.Record,
    failure: Failure,
    payment_id: str | None,
    now: datetime,
) -> None:
    """Say what failed, count it against the card, and suspend who owes and could not be charged."""
    kind = _class_of(failure)
    told = {"code": failure.code, "decline_code": shown_decline_code(failure.code, failure.decline_code)}
    await _say(connection, attempt, "charge_failed", payment_id, now, **told)
    if kind is DeclineClass.AUTHENTICATION:
        await _say(connection, attempt, "charge_requires_action", payment_id, now)
    if attempt.kind is Kind.TOPUP:
        await connection.execute(SQL.record_topup_outcome, attempt.account_id, failure.message[:500], payment_id)
        return
    if attempt.kind is Kind.AUTO_RELOAD:
        await _say(connection, attempt, "auto_reload_failed", payment_id, now, **told)
    is_default = profile["default_card_id"] == attempt.card_id
    if not counts_as_decline(attempt.kind, attempt.state, State.FAILED, card_is_default=is_default):
        return
    after = after_decline(declines_before=profile["declines"], kind=kind, now=now)
    await connection.execute(
        SQL.record_decline,
        attempt.account_id,
        after.declines,
        after.next_try_at,
        after.stopped,
        attempt.amount_cents,
        now,
        shown_decline_code(failure.code, failure.decline_code),
        failure.message[:500],
    )
    if after.stopped is not None and attempt.kind is Kind.AUTO_RELOAD:
        data = {"reason": after.stopped, "declines": after.declines, **told}
        await append_event(connection, attempt.account_id, "auto_reload_paused", data, now)
    await suspend_after_decline(connection, attempt.account_id, now)


async def apply_rejection(context: Context, attempt: Attempt, rejection: Rejected) -> None:
    """The provider did nothing and will not: our mistake, or a card that is gone. Never tried in a loop."""
    now = context.now()
    async with transaction(context.pool) as connection:
        profile = await lock_profile(connection, attempt.account_id)
        args = (attempt.attempt_id, rejection.code, rejection.message[:500], now)
        if not await connection.fetchval(SQL.set_error, *args):
            return
        is_card = rejection.code == "payment_method_not_found"
        advice = "do_not_try_again" if is_card else None
        failure = Failure(rejection.code, None, advice, rejection.message)
        if attempt.kind.is_automatic:
            await record_failure(connection, attempt, profile, failure, None, now)
        if not is_card and rejection.code != "invalid_amount":
            subject = attempt.attempt_id
            await alert(connection, "charge_refused", subject, rejection.message, now, account_id=attempt.account_id)
    context.tell(attempt.account_id)


def _class_of(failure: Failure) -> DeclineClass:
    return classify(code=failure.code, decline_code=failure.decline_code, advice_code=failure.advice_code)


async def _say(
    connection: Connection, attempt: Attempt, event_type: str, payment_id: str | None, now: datetime, **more: Any
) -> None:
    data = {
        "charge_id": attempt.attempt_id,
        "kind": attempt.kind,
        "amount_cents": attempt.amount_cents,
        "amount_usd": usd_text(attempt.amount_cents),
        "payment_intent_id": payment_id,
        **more,
    }
    await append_event(connection, attempt.account_id, event_type, data, now)
