"""Payments in a process of its own, which ends at the crash point that RINGFENCE_CRASH_AT names.

`python -m tests.services.payments.crashing DATABASE_URL CLOCK_OFFSET_SECONDS SCENARIO ACCOUNT`
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from services.payments.context import Context
from services.payments.inbox import pull, work_off
from services.payments.recharging import consider_many
from services.payments.refunds import drive_refund
from services.payments.topups import TopUp, top_up
from shared.clock import MovableClock
from tests.services.payments.light import light_context


async def _top_up(context: Context, account_id: str) -> None:
    async def is_gone() -> bool:
        return False

    await top_up(context, TopUp(account_id, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=is_gone)


async def _reload(context: Context, account_id: str) -> None:
    await consider_many(context, [account_id])
    await context.finish()


async def _events(context: Context, account_id: str) -> None:
    await pull(context)
    await work_off(context)


async def _refund(context: Context, account_id: str) -> None:
    query = "SELECT refund_id FROM payments.refunds WHERE account_id = $1"
    await drive_refund(context, await context.pool.fetchval(query, account_id))


SCENARIOS: dict[str, Callable[[Context, str], Awaitable[None]]] = {
    "top_up": _top_up,
    "reload": _reload,
    "events": _events,
    "refund": _refund,
}


async def main() -> None:
    database_url, offset, scenario, account_id = sys.argv[1:]
    clock = MovableClock()
    clock.move_to_offset(timedelta(seconds=float(offset)))
    async with light_context(database_url, clock) as context:
        await SCENARIOS[scenario](context, account_id)


if __name__ == "__main__":
    asyncio.run(main())
