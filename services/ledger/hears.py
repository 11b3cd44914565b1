"""Everything the ledger listens to."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

from services.ledger import rentals
from services.ledger.context import LedgerContext
from services.ledger.handlers import ChargeUsage
from services.ledger.holds import expire_holds
from services.ledger.ops import ObeyOps
from shared.books_check import check_books
from shared.contracts import ops_v1
from shared.contracts.ticks_v1 import Tick, tick_type
from shared.messaging.batch import BatchConsumer
from shared.messaging.listener import Heard, Listen, Listener
from shared.messaging.topology import OPS, TICKS, USAGE, work_queue
from shared.postgres.pool import OUTAGES

CHARGE_USAGE: Final = work_queue("ledger.charge_usage", USAGE)
OBEY_OPS: Final = work_queue("ledger.obey_ops", OPS)
CHARGE_NUMBER_FEES: Final = work_queue("ledger.charge_number_fees", TICKS, tick_type("number_fees"))
EXPIRE_HOLDS: Final = work_queue("ledger.expire_holds", TICKS, tick_type("holds"))
CHECK_BOOKS: Final = work_queue("ledger.check_books", TICKS, tick_type("audit"))

QUEUES: Final = (CHARGE_USAGE, OBEY_OPS, CHARGE_NUMBER_FEES, EXPIRE_HOLDS, CHECK_BOOKS)


def consumers(context: LedgerContext) -> Sequence[BatchConsumer | Listener[None]]:
    """Queue by queue, what is done with its messages."""
    broker = context.host.broker
    usage = BatchConsumer(broker, CHARGE_USAGE, ChargeUsage(context), outages=OUTAGES)
    context.host.announcer.backlog_bytes = lambda: usage.backlog_bytes
    obey_ops = ObeyOps(context)
    ops = Listen(OBEY_OPS, ops_v1.MODELS, obey_ops, refuse=obey_ops.refuse)
    return [
        usage,
        Listener(broker, ops, nullcontext, outages=OUTAGES),
        _on_tick(context, CHARGE_NUMBER_FEES, "number_fees", rentals.charge_due_fees),
        _on_tick(context, EXPIRE_HOLDS, "holds", expire_holds),
        _on_tick(context, CHECK_BOOKS, "audit", _check_books),
    ]


async def _check_books(context: LedgerContext) -> None:
    await check_books(context.host.settings.postgres_url, context.pool, context.host.clock.now())


def _on_tick(
    context: LedgerContext, queue: Any, name: Any, work: Callable[[LedgerContext], Awaitable[object]]
) -> Listener[None]:
    """A tick does its work in commits of its own: it may be long, and half of it done is no harm."""

    async def obey(_: Heard[Tick], __: None) -> None:
        await work(context)

    listen = Listen(queue, {tick_type(name): Tick}, obey, concurrency=1)
    return Listener(context.host.broker, listen, nullcontext, outages=OUTAGES)
