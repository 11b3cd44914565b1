"""What happens by the clock alone: periods end, due dates pass, grace runs out, late usage is asked for.

Each commit takes a batch of subscriptions with something due and plays each of them up to the present. Whoever comes
twice, late, or beside another finds nothing left to do; what a crash undid is still due.
"""

import asyncio
from time import perf_counter

from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.domain.lifecycle import Fact, advance
from services.subscriptions.late_usage import ask_for_late_usage
from services.subscriptions.rows import request_of
from services.subscriptions.stories import QUERIES, load_stories, save_stories, tell
from shared.ids import new_id
from shared.postgres.pool import transaction


async def advance_due_subscriptions(context: SubscriptionsContext) -> int:
    """Play every subscription with something due up to the present; returns how many were played."""
    played = 0
    while True:
        began = perf_counter()
        batch = await _advance_batch(context)
        played += batch
        if batch == 0:
            return played
        await asyncio.sleep(_pause_seconds(context, batch, perf_counter() - began))


def _pause_seconds(context: SubscriptionsContext, batch: int, took_seconds: float) -> float:
    """The gate shares the processors and these accounts: let it in between two commits, and keep the pace."""
    share_seconds = batch / context.settings.renewals_per_second
    return max(share_seconds - took_seconds, context.settings.renewal_pause_ratio * took_seconds)


async def _advance_batch(context: SubscriptionsContext) -> int:
    now = context.now()
    async with transaction(context.pool) as connection:
        rows = await connection.fetch(QUERIES.claim_due, now, context.settings.renewal_batch_size)
        stories = await load_stories(connection, rows)
        for story in stories:
            advance(story, now=now, make_id=new_id)
        if stories:
            await save_stories(connection, stories, now)
    context.host.announcer.tell([story.subscription.account_id for story in stories])
    return len(stories)


async def pass_due_dates(context: SubscriptionsContext) -> int:
    """Pending becomes overdue when the due date passes, also for what blocks nobody: packs, and cycle requests of
    subscriptions that are blocked or canceled. Returns how many did.
    """
    passed = 0
    while True:
        now = context.now()
        async with transaction(context.pool) as connection:
            rows = await connection.fetch(
                QUERIES.pass_due_dates_of_loose_requests, now, context.settings.renewal_batch_size
            )
            facts = [Fact("payment_request_updated", request_of(row)) for row in rows]
            await tell(connection, facts, now)
        if not rows:
            return passed
        passed += len(rows)
        context.host.announcer.tell({row["account_id"] for row in rows})


async def follow_the_clock(context: SubscriptionsContext) -> None:
    """Everything that is due by now."""
    async with context.one_at_a_time:
        await advance_due_subscriptions(context)
        await pass_due_dates(context)
        await ask_for_late_usage(context)
