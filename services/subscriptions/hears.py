"""Everything subscriptions listens to."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Final

from services.subscriptions.clockwork import follow_the_clock
from services.subscriptions.context import SubscriptionsContext
from shared.contracts.ticks_v1 import Tick, TickName, tick_type
from shared.messaging.listener import Heard, Listen, Listener
from shared.messaging.topology import TICKS, WorkQueue, work_queue
from shared.postgres.pool import OUTAGES

RENEW_PERIODS: Final = work_queue("subscriptions.renew_periods", TICKS, tick_type("renewals"))
WATCH_DUE_DATES: Final = work_queue("subscriptions.watch_due_dates", TICKS, tick_type("due_dates"))

QUEUES: Final = (RENEW_PERIODS, WATCH_DUE_DATES)


def consumers(context: SubscriptionsContext) -> Sequence[Listener[None]]:
    """Queue by queue, what is done with its messages. Both ticks play the same clock: what falls due first comes
    first, whichever tick says so.
    """
    return [
        _on_tick(context, RENEW_PERIODS, "renewals", follow_the_clock),
        _on_tick(context, WATCH_DUE_DATES, "due_dates", follow_the_clock),
    ]


def _on_tick(
    context: SubscriptionsContext,
    queue: WorkQueue,
    name: TickName,
    work: Callable[[SubscriptionsContext], Awaitable[None]],
) -> Listener[None]:
    async def obey(_: Heard[Tick], __: None) -> None:
        await work(context)

    listen = Listen(queue, {tick_type(name): Tick}, obey, concurrency=1)
    return Listener(context.host.broker, listen, nullcontext, outages=OUTAGES)
