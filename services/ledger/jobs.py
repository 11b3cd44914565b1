"""What the ledger does by itself, again and again."""

from collections.abc import Sequence
from datetime import timedelta

from services.ledger.context import LedgerContext
from services.ledger.store import QUERIES
from services.ledger.waiting import take_up_waiting_usage
from shared.service import Job

EVENTS_KEPT = timedelta(days=30)
IDEMPOTENCY_KEYS_KEPT = timedelta(hours=24)
FORGETTING_SECONDS_MAX = 300.0


def jobs(context: LedgerContext) -> Sequence[Job]:
    async def take_up() -> None:
        await take_up_waiting_usage(context)

    async def forget() -> None:
        await forget_what_is_old(context)

    return [Job("take_up_waiting_usage", 1.0, take_up), Job("forget_what_is_old", 3600.0, forget)]


async def forget_what_is_old(context: LedgerContext) -> None:
    """Published news and answers to repeated requests are kept for a time; money is kept for ever."""
    now = context.host.clock.now()
    await context.pool.execute(QUERIES.forget_old_events, now - EVENTS_KEPT, timeout=FORGETTING_SECONDS_MAX)
    await context.pool.execute(
        QUERIES.forget_old_idempotency_keys, now - IDEMPOTENCY_KEYS_KEPT, timeout=FORGETTING_SECONDS_MAX
    )
