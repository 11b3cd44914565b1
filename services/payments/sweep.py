"""What crashes, outages and silence left: attempts and refunds brought to an end, lost events fetched."""

from datetime import timedelta

import structlog

from services.payments.charging import LEASE, PATIENCE, RECHECK, RECHECK_MAX, abandon, drive, refresh
from services.payments.context import Context
from services.payments.domain.attempts import UNSENT_OR_UNCLEAR, State
from services.payments.inbox import InboxWorker, pull
from services.payments.provider import NotAtProvider, ProviderUnavailable
from services.payments.refunds import drive_refund
from services.payments.store import SQL, Attempt, find_attempt

PAGE = 100
ASK_AGAIN = {State.REQUIRES_ACTION: timedelta(minutes=10), State.PROCESSING: timedelta(minutes=1)}

log = structlog.get_logger(__name__)


async def sweep(context: Context) -> None:
    """Bring on what is due. An outage of the provider leaves the rest for the next time."""
    try:
        waits = (LEASE, RECHECK, RECHECK_MAX, max(ASK_AGAIN.values()))
        for row in await context.pool.fetch(SQL.due_attempts, context.now(), PAGE, *waits):
            await _bring_on(context, await find_attempt(context.pool, row["attempt_id"]))
        for row in await context.pool.fetch(SQL.due_refunds, context.now(), PAGE, LEASE):
            await drive_refund(context, row["refund_id"])
    except (ProviderUnavailable, NotAtProvider) as outage:
        log.warning("sweep_delayed", error=repr(outage))


async def _bring_on(context: Context, attempt: Attempt) -> None:
    if attempt.state in UNSENT_OR_UNCLEAR:
        await drive(context, attempt.attempt_id)
        return
    now = context.now()
    if attempt.state in ASK_AGAIN:
        await context.pool.execute(SQL.check_later, attempt.attempt_id, now + ASK_AGAIN[attempt.state])
        if attempt.state is State.REQUIRES_ACTION and now - attempt.created_at >= PATIENCE:
            # Nobody confirms it any more; should it have succeeded meanwhile, it is credited.
            await abandon(context, attempt)
        else:
            await refresh(context, attempt)


async def reconcile(context: Context, inbox: InboxWorker) -> None:
    """The reconcile tick: what is unclear, and what the provider told nobody (contract §5)."""
    await sweep(context)
    try:
        if await pull(context):
            inbox.kick()
    except ProviderUnavailable as outage:
        log.warning("event_pull_delayed", error=repr(outage))
