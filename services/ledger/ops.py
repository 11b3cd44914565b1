"""Commands of operators: done in one commit each, and answered by `ops_done` or `ops_failed` naming the command."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from services.ledger.context import LedgerContext
from services.ledger.store import QUERIES
from services.ledger.transfers import Transfer, post_transfers
from shared.contracts.ops_v1 import AdjustAccount, ReinstateAccount, ResyncAccount, SuspendAccount
from shared.ids import new_id
from shared.messaging.cloudevents import cloud_event
from shared.messaging.listener import Heard
from shared.messaging.messages import Message
from shared.messaging.topology import EVENTS
from shared.money import MICROS_PER_CENT
from shared.postgres.pool import Connection, transaction


class ObeyOps:
    """The handler of `ledger.obey_ops`. A command that comes twice is done once."""

    def __init__(self, context: LedgerContext) -> None:
        self._context = context

    async def __call__(self, heard: Heard[Any], _: None) -> None:
        command, now = heard.data, self._context.host.clock.now()
        async with transaction(self._context.pool) as connection:
            exists = await connection.fetchrow(QUERIES.lock_account, command.account_id) is not None
            if exists:
                problem = await _OBEY[type(command)](connection, heard, now)
                outcome = "ops_failed" if problem else "ops_done"
                said = _answer(heard, problem)
                await connection.execute(QUERIES.append_events, [command.account_id], [outcome], [said], now)
        if exists:
            self._context.host.announcer.tell([command.account_id])
        else:
            await self._say_unknown(heard, now)

    async def _say_unknown(self, heard: Heard[Any], now: datetime) -> None:
        """There is no account whose events this could join, so it goes out by itself, confirmed."""
        account_id = heard.data.account_id
        body = cloud_event(
            id=new_id("evt", now),
            type="ops_failed",
            time=now,
            data={"account_id": account_id, **_answer(heard, "account_not_found")},
            subject=account_id,
        )
        await self._context.host.broker.publish(Message(EVENTS, f"ops_failed.{account_id}", body))


def _answer(heard: Heard[Any], problem: str | None) -> dict[str, Any]:
    answer = {"command_id": heard.event.id, "command_source": heard.event.source, "command": heard.event.type}
    return answer if problem is None else {**answer, "code": problem}


async def _suspend(connection: Connection, heard: Heard[SuspendAccount], now: datetime) -> str | None:
    await connection.execute(QUERIES.set_suspension, heard.data.account_id, "manual", heard.data.reason, now)
    return None


async def _reinstate(connection: Connection, heard: Heard[ReinstateAccount], now: datetime) -> str | None:
    for by in ("manual", "billing"):
        await connection.execute(QUERIES.set_suspension, heard.data.account_id, by, None, now)
    return None


async def _adjust(connection: Connection, heard: Heard[AdjustAccount], now: datetime) -> str | None:
    command = heard.data
    if command.amount_cents == 0:
        return "invalid_amount"
    origin = f"ops:{heard.event.source}:{heard.event.id}"
    if await connection.fetch(QUERIES.known_origins, [origin]):
        return None
    transfer = Transfer(
        account_id=command.account_id,
        kind="adjustment",
        reason="adjustment",
        amount_micros=command.amount_cents * MICROS_PER_CENT,
        counter_account="adjustments",
        description=command.description,
        reference_type="event",
        reference_id=heard.event.id,
        origin=origin,
    )
    await post_transfers(connection, [transfer], now)
    return None


async def _resync(connection: Connection, heard: Heard[ResyncAccount], now: datetime) -> str | None:
    await connection.execute(QUERIES.insert_news, heard.data.account_id, now)
    return None


_OBEY: dict[type, Callable[[Connection, Heard[Any], datetime], Awaitable[str | None]]] = {
    SuspendAccount: _suspend,
    ReinstateAccount: _reinstate,
    AdjustAccount: _adjust,
    ResyncAccount: _resync,
}
