"""Everything payments listens to."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Final

from services.payments.context import Context
from services.payments.inbox import InboxWorker, forget
from services.payments.invariants import audit_charges
from services.payments.recharging import consider_all, consider_many
from services.payments.sweep import reconcile
from shared.announcer import read_round
from shared.contracts.news_v1 import EVENTS_PUBLISHED
from shared.contracts.ticks_v1 import Tick, TickName, tick_type
from shared.messaging.batch import BatchConsumer, BatchPolicy
from shared.messaging.listener import Heard, Listen, Listener
from shared.messaging.messages import Dead, Incoming, Outcomes
from shared.messaging.topology import NEWS, TICKS, WorkQueue, work_queue
from shared.postgres.pool import OUTAGES

CONSIDER_BALANCES: Final = work_queue(
    "payments.consider_balances", NEWS, EVENTS_PUBLISHED, replaces=("payments.consider_reload",)
)
RECHARGE_DUE: Final = work_queue("payments.recharge_due", TICKS, tick_type("recharge"))
RECONCILE_CHARGES: Final = work_queue("payments.reconcile_charges", TICKS, tick_type("reconcile"))
AUDIT_CHARGES: Final = work_queue("payments.audit_charges", TICKS, tick_type("audit"))

ROUNDS: Final = BatchPolicy(batch_size_max=16, prefetch=64)
"""A message names up to 256 accounts."""

QUEUES: Final = (CONSIDER_BALANCES, RECHARGE_DUE, RECONCILE_CHARGES, AUDIT_CHARGES)


def consumers(context: Context, inbox: InboxWorker) -> Sequence[BatchConsumer | Listener[None]]:
    """Queue by queue, what is done with its messages."""

    async def recharge_due() -> None:
        await consider_all(context)

    async def reconcile_charges() -> None:
        await reconcile(context, inbox)

    async def audit() -> None:
        await audit_charges(context)
        await forget(context)

    return [
        BatchConsumer(
            context.host.broker, CONSIDER_BALANCES, ConsiderBalances(context), outages=OUTAGES, policy=ROUNDS
        ),
        _on_tick(context, RECHARGE_DUE, "recharge", recharge_due),
        _on_tick(context, RECONCILE_CHARGES, "reconcile", reconcile_charges),
        _on_tick(context, AUDIT_CHARGES, "audit", audit),
    ]


class ConsiderBalances:
    """Balances have changed: one query finds the few of a batch that ask for a charge.

    The news only says where to look; the decision reads the books (failure mode 1).
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def __call__(self, batch: Sequence[Incoming]) -> Outcomes:
        outcomes: dict[int, list[Dead]] = {}
        account_ids: set[str] = set()
        for place, message in enumerate(batch):
            try:
                account_ids.update(read_round(message.body).account_ids.get("balance_changed", ()))
            except ValueError as error:
                outcomes[place] = [Dead("invalid_event", " ".join(str(error).split()))]
        if account_ids:
            await consider_many(self._context, sorted(account_ids))
        return outcomes  # type: ignore[return-value]


def _on_tick(context: Context, queue: WorkQueue, name: TickName, work: Callable[[], Awaitable[None]]) -> Listener[None]:
    """A tick does its work in commits of its own: it may be long, and half of it done is no harm."""

    async def obey(_: Heard[Tick], __: None) -> None:
        await work()

    listen = Listen(queue, {tick_type(name): Tick}, obey, concurrency=1)
    return Listener(context.host.broker, listen, nullcontext, outages=OUTAGES)
