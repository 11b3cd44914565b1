"""One charge from its row to its credit: commit the intent, send it with its own id as key, apply the answer.

No network inside a transaction. The lease is committed before the call, so after a crash the sweep finds the
attempt and sends it again with the same key, which replays the provider's answer instead of charging again.
"""

from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter

from services.payments import brake
from services.payments.alerts import alert
from services.payments.applying import apply_payment, apply_rejection
from services.payments.context import Context
from services.payments.domain.attempts import Kind, is_given_up, may_resend
from services.payments.domain.recharging import cap_month
from services.payments.provider import NotAtProvider, Payment, ProviderUnavailable, Rejected, Unknown
from services.payments.store import SQL, Attempt, find_attempt
from shared.crash_points import reach
from shared.ids import new_id
from shared.postgres.pool import Connection, transaction

LEASE = timedelta(seconds=60)
PATIENCE = timedelta(hours=24)
"""An attempt the provider knows nothing of for so long was never made; an unconfirmed one is canceled."""
RECHECK = timedelta(seconds=15)
RECHECK_MAX = timedelta(hours=1)
CLOCK_GRACE = timedelta(hours=2)
"""How far ahead of the provider's the clock may have been that dated an attempt."""

CHARGES = Counter(
    "ringfence_charges_sent", "Charges sent to the provider, by why and by how they then stood.", ["kind", "state"]
)

log = structlog.get_logger(__name__)


def is_leased(until: datetime | None, now: datetime) -> bool:
    """Whether somebody has it on the wire. What ends later than a lease taken now was written before the clock was set
    back, and is none.
    """
    return until is not None and now < until <= now + LEASE


async def begin(
    connection: Connection,
    *,
    provider: str,
    account_id: str,
    kind: Kind,
    customer_id: str,
    card_id: str,
    amount_cents: int,
    now: datetime,
    route: str | None = None,
    client_key: str | None = None,
    request_hash: bytes | None = None,
    asked_card: str | None = None,
) -> Attempt:
    """Write the attempt; nothing is sent before the caller has committed. The caller holds the profile's lock."""
    row = await connection.fetchrow(
        SQL.insert_attempt,
        new_id("chg", now),
        account_id,
        kind,
        provider,
        customer_id,
        card_id,
        amount_cents,
        cap_month(now),
        route,
        client_key,
        request_hash,
        asked_card,
        now + RECHECK,
        now,
    )
    assert row is not None
    return Attempt.of(row)


async def drive(context: Context, attempt_id: str) -> Attempt:
    """Bring an attempt that is new or unclear to an end; returns it as it then is.

    Another driver's lease, or an end already reached, leaves it as it is.
    """
    reach("charge_created")
    leased = await _lease(context, attempt_id)
    if leased is None:
        return await find_attempt(context.pool, attempt_id)
    reach("charge_submitting")
    outcome = await _ask(context, leased)
    reach("charge_sent")
    await _settle(context, leased, outcome)
    driven = await find_attempt(context.pool, attempt_id)
    CHARGES.labels(driven.kind, driven.state).inc()
    return driven


async def _lease(context: Context, attempt_id: str) -> Attempt | None:
    now = context.now()
    async with transaction(context.pool) as connection:
        attempt = await find_attempt(connection, attempt_id)
        if attempt.kind.is_automatic and attempt.sends == 0 and await brake.is_held(connection, now):
            await connection.execute(SQL.check_later, attempt_id, now + RECHECK)
            return None
        row = await connection.fetchrow(SQL.lease_attempt, attempt_id, now, now + LEASE)
        return None if row is None else Attempt.of(row)


async def _ask(context: Context, attempt: Attempt) -> Payment | Rejected | Unknown:
    assert attempt.first_sent_at is not None
    age = context.now() - attempt.first_sent_at
    key_life = context.provider.capabilities.key_life_seconds
    if may_resend(sends=attempt.sends - 1, age_seconds=age.total_seconds(), key_life_seconds=key_life):
        outcome = await context.provider.charge(attempt.order)
        if not (isinstance(outcome, Unknown) and outcome.is_stored):
            return outcome
        # The key replays a failure: whether the charge was made is in the provider's lists only.
        return await _look_up(context, attempt) or outcome
    return await _look_up(context, attempt) or Unknown("the key is too old to send again, and no payment is found")


async def _look_up(context: Context, attempt: Attempt) -> Payment | None:
    try:
        return await context.provider.look_up(attempt.order, attempt.created_at - CLOCK_GRACE)
    except (ProviderUnavailable, NotAtProvider):
        return None


async def _settle(context: Context, attempt: Attempt, outcome: Payment | Rejected | Unknown) -> None:
    if isinstance(outcome, Payment):
        await apply_payment(context, outcome, attempt_id=attempt.attempt_id)
    elif isinstance(outcome, Rejected):
        await apply_rejection(context, attempt, outcome)
    else:
        await _leave_unknown(context, attempt, outcome)


async def _leave_unknown(context: Context, attempt: Attempt, outcome: Unknown) -> None:
    """Not a decline: the counter is untouched, the same attempt is driven again (failure mode 7)."""
    now = context.now()
    log.warning("charge_unknown", attempt_id=attempt.attempt_id, detail=outcome.detail)
    if outcome.detail.startswith(("AuthenticationError", "PermissionError")):
        await alert(context.pool, "provider_refuses_us", context.provider.name, outcome.detail, now)
    age = now - attempt.created_at
    if is_given_up(age_seconds=age.total_seconds(), patience_seconds=PATIENCE.total_seconds()) and (
        await _provably_absent(context, attempt)
    ):
        await context.pool.execute(SQL.set_canceled, attempt.attempt_id, now)
        return
    wait = min(RECHECK * 2 ** min(attempt.sends - 1, 10), RECHECK_MAX)
    await context.pool.execute(SQL.set_unknown, attempt.attempt_id, now + wait, outcome.detail[:500])


async def _provably_absent(context: Context, attempt: Attempt) -> bool:
    """The provider answered, and its lists, which show what was written at once, don't have it."""
    try:
        return await context.provider.look_up(attempt.order, attempt.created_at - CLOCK_GRACE) is None
    except (ProviderUnavailable, NotAtProvider):
        return False


async def refresh(context: Context, attempt: Attempt) -> Attempt:
    """Ask how the payment of an attempt stands, and apply the answer. Raises `ProviderUnavailable`."""
    if attempt.payment_id is not None:
        await apply_payment(context, await context.provider.find_payment(attempt.payment_id))
    return await find_attempt(context.pool, attempt.attempt_id)


async def abandon(context: Context, attempt: Attempt) -> Attempt:
    """Cancel a payment that nobody should confirm any more; should it have succeeded, it is credited.

    Raises `ProviderUnavailable`.
    """
    if attempt.payment_id is not None:
        await apply_payment(context, await context.provider.cancel(attempt.payment_id))
    return await find_attempt(context.pool, attempt.attempt_id)
