"""Holds past their time give their money back."""

from services.ledger.context import LedgerContext
from services.ledger.store import QUERIES

HOLDS_PER_COMMIT_MAX = 500


async def expire_holds(context: LedgerContext) -> int:
    """Expire all that are due; returns how many accounts were freed (an account in two commits counts twice)."""
    freed = 0
    while True:
        now = context.host.clock.now()
        rows = await context.pool.fetch(QUERIES.expire_holds, now, HOLDS_PER_COMMIT_MAX)
        if not rows:
            return freed
        freed += len(rows)
        context.host.announcer.tell([row["account_id"] for row in rows])
