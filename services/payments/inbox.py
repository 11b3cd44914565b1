"""What the provider tells us, by webhook or when asked: stored first, worked off afterwards, each effect once.

An event only says where to look; the object is asked for again, so order and age don't matter. A row is marked
processed after its effect, whose own key in the books stops a second one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from services.payments.applying import apply_payment
from services.payments.cards import forget_card, save_card
from services.payments.context import Context
from services.payments.disputes import apply_dispute
from services.payments.keys import KEY_LIFE
from services.payments.provider import CardSetup, NotAtProvider, ProviderUnavailable, ToldEvent
from services.payments.refunds import apply_refunds_of
from services.payments.store import SQL
from shared.announcer import DELAYED_BY
from shared.clock import SystemClock
from shared.crash_points import reach

CLAIMED_FOR = timedelta(seconds=60)
CLAIMED_AT_ONCE = 16
TRY_AGAIN = timedelta(seconds=5)
TRY_AGAIN_MAX = timedelta(hours=1)
IDLE_SECONDS = 5.0
FIRST_PULL = timedelta(days=3)
OVERLAP = timedelta(hours=1)
KEPT = timedelta(days=35)

_OUTAGES: tuple[type[Exception], ...] = (ProviderUnavailable, *DELAYED_BY)

log = structlog.get_logger(__name__)


async def store(context: Context, told: ToldEvent) -> bool:
    """Keep an event, once; returns whether it is new."""
    row = await context.pool.fetchval(
        SQL.store_event, told.event_id, told.type, told.object_id, told.parent_id, context.now()
    )
    return row is not None


async def work_off(context: Context) -> int:
    """Process what is due, until nothing is; returns how many events were looked at."""
    looked_at = 0
    while True:
        now = context.now()
        rows = await context.pool.fetch(
            SQL.claim_events, now, now + CLAIMED_FOR, CLAIMED_AT_ONCE, TRY_AGAIN, TRY_AGAIN_MAX
        )
        if not rows:
            return looked_at
        # One after the other per batch is enough: two events of one payment would wait for each other anyway.
        await asyncio.gather(*(_work_off_one(context, row) for row in rows))
        looked_at += len(rows)


async def _work_off_one(context: Context, row: asyncpg.Record) -> None:
    try:
        await _EFFECTS[row["type"]](context, row)
    except NotAtProvider as gone:
        log.info("event_of_nothing", event_id=row["event_id"], error=str(gone))
    except _OUTAGES as outage:
        await _later(context, row, repr(outage))
        return
    except Exception as mistake:
        log.exception("event_failed", event_id=row["event_id"], event_type=row["type"])
        await _later(context, row, repr(mistake))
        return
    reach("event_applied")
    await context.pool.execute(SQL.event_processed, row["event_id"], context.now())


async def _later(context: Context, row: asyncpg.Record, error: str) -> None:
    wait = min(TRY_AGAIN * 2 ** min(row["tries"] - 1, 12), TRY_AGAIN_MAX)
    with suppress(*DELAYED_BY):
        await context.pool.execute(SQL.event_failed, row["event_id"], context.now() + wait, error[:500])


async def _payment(context: Context, row: asyncpg.Record) -> None:
    await apply_payment(context, await context.provider.find_payment(row["object_id"]))


async def _refund(context: Context, row: asyncpg.Record) -> None:
    if row["parent_id"] is not None:
        await apply_refunds_of(context, row["parent_id"])


async def _dispute(context: Context, row: asyncpg.Record) -> None:
    await apply_dispute(context, await context.provider.find_dispute(row["object_id"]))


async def _card_saved(context: Context, row: asyncpg.Record) -> None:
    setup = await context.provider.find_setup(row["object_id"])
    await _keep_card(context, setup, way="setup_intent", make_default=False)


async def _card_entered(context: Context, row: asyncpg.Record) -> None:
    setup = await context.provider.find_hosted_setup(row["object_id"])
    await _keep_card(context, setup, way="checkout", make_default=True)


async def _keep_card(context: Context, setup: CardSetup, *, way: str, make_default: bool) -> None:
    if setup.status != "succeeded" or setup.card_id is None or setup.customer_id is None:
        return
    account_id = await context.pool.fetchval(SQL.account_of_customer, context.provider.name, setup.customer_id)
    if account_id is None:
        return
    card = await context.provider.find_card(setup.card_id)
    if card.customer_id == setup.customer_id:  # else it was removed meanwhile
        await save_card(context, account_id, card, way=way, make_default=make_default)


async def _card_removed(context: Context, row: asyncpg.Record) -> None:
    known = await context.pool.fetchrow(SQL.find_card, row["object_id"])
    if known is None:
        return
    customer_id = await context.pool.fetchval(SQL.find_customer, known["account_id"])
    try:
        still_there = (await context.provider.find_card(row["object_id"])).customer_id == customer_id
    except NotAtProvider:
        still_there = False
    if not still_there:
        await forget_card(context, known["account_id"], row["object_id"])


async def _card_renewed(context: Context, row: asyncpg.Record) -> None:
    known = await context.pool.fetchrow(SQL.find_card, row["object_id"])
    if known is not None:
        card = await context.provider.find_card(row["object_id"])
        await save_card(context, known["account_id"], card, way="renewal", make_default=False)


_EFFECTS: Final[Mapping[str, Callable[[Context, asyncpg.Record], Awaitable[None]]]] = {
    "payment_intent.succeeded": _payment,
    "payment_intent.payment_failed": _payment,
    "payment_intent.requires_action": _payment,
    "payment_intent.processing": _payment,
    "payment_intent.canceled": _payment,
    "setup_intent.succeeded": _card_saved,
    "checkout.session.completed": _card_entered,
    "charge.refunded": _refund,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "charge.dispute.closed": _dispute,
    "payment_method.automatically_updated": _card_renewed,
    "payment_method.detached": _card_removed,
}


async def pull(context: Context) -> int:
    """Ask the provider for events that never came; returns how many were new. Raises `ProviderUnavailable`."""
    provider = context.provider.name
    read_until: datetime | None = await context.pool.fetchval(SQL.read_until, provider)
    # The provider's own times only: a test may have moved our clock, not theirs.
    since = SystemClock().now() - FIRST_PULL if read_until is None else read_until - OVERLAP
    new, newest = 0, since
    async for told in context.provider.events_since(since):
        newest = max(newest, told.created_at)
        if told.is_live == context.settings.is_live:
            new += await store(context, told)
    await context.pool.execute(SQL.set_read_until, provider, newest)
    return new


async def forget(context: Context) -> None:
    """The provider repeats no event that is so old, and no caller a key."""
    await context.pool.execute(SQL.forget_events, context.now() - KEPT)
    await context.pool.execute(SQL.forget_keys, context.now() - KEY_LIFE)


class InboxWorker:
    """Works events off as soon as they are stored, and looks by itself now and then."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kick = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def kick(self) -> None:
        self._kick.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="payments inbox")

    async def stop(self) -> None:
        self._stopping = True
        self._kick.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping:
            self._kick.clear()
            try:
                await work_off(self._context)
            except DELAYED_BY as outage:
                log.warning("inbox_delayed", error=repr(outage))
            except Exception:
                log.exception("inbox_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._kick.wait()
