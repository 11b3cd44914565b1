"""Commands of operators: done in one commit each, and answered by `ops_done` or `ops_failed` naming the command.

Decisions where the contract is silent:
- An id (with its source) that was obeyed stands for that command for ever: again, it has no effect and gets its
  answer again; with another body it is answered `ops_failed`, code `id_reused`. One that failed may come again.
- What is no command at all is answered as well, where it names an account there is, and parked as a dead letter.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.ledger.context import LedgerContext
from services.ledger.store import QUERIES
from services.ledger.transfers import Transfer, post_transfers
from shared import strict_json
from shared.contracts.fields_v1 import is_caller_id
from shared.contracts.ops_v1 import AdjustAccount, ReinstateAccount, ResyncAccount, SuspendAccount
from shared.ids import new_id
from shared.messaging.cloudevents import cloud_event
from shared.messaging.listener import Heard
from shared.messaging.messages import Dead, Incoming, Message
from shared.messaging.topology import EVENTS
from shared.money import MICROS_PER_CENT
from shared.postgres.pool import Connection, transaction
from shared.postgres.queries import Queries

_SQL = Queries.load(Path(__file__).parent / "queries" / "ops.sql")


SHOWN_LENGTH_MAX = 256


class ObeyOps:
    """The handler of `ledger.obey_ops`. A command that comes twice is done once."""

    def __init__(self, context: LedgerContext) -> None:
        self._context = context

    async def __call__(self, heard: Heard[Any], _: None) -> None:
        command, now = heard.data, self._context.host.clock.now()
        async with transaction(self._context.pool) as connection:
            exists = await connection.fetchrow(QUERIES.lock_account, command.account_id) is not None
            if exists:
                problem = await _obey_once(connection, heard, now)
                await _say(connection, command.account_id, _answer(heard, problem), now)
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

    async def refuse(self, message: Incoming, dead: Dead) -> None:
        """Tell the operator of a command nobody could understand; it is parked by whoever calls this."""
        named = _named(message.body)
        if named is None:
            return
        account_id, answer = named
        now = self._context.host.clock.now()
        async with transaction(self._context.pool) as connection:
            if not await connection.fetchval(_SQL.account_exists, account_id):
                return
            await _say(connection, account_id, {**answer, "code": dead.reason, "detail": dead.detail}, now)
        self._context.host.announcer.tell([account_id])


async def _say(connection: Connection, account_id: str, answer: dict[str, Any], now: datetime) -> None:
    outcome = "ops_failed" if "code" in answer else "ops_done"
    await connection.execute(QUERIES.append_events, [account_id], [outcome], [answer], now)


def _named(body: bytes) -> tuple[str, dict[str, Any]] | None:
    """The account that a body names, and what can be said of the command; None where it names neither."""
    try:
        event = strict_json.loads(body)
    except strict_json.NotStrictJson:
        return None
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return None
    account_id, command_id = str(event["data"].get("account_id")), event.get("id")
    if not is_caller_id(account_id) or not isinstance(command_id, str | int):
        return None
    shown = {"command_id": command_id, "command_source": event.get("source"), "command": event.get("type")}
    return account_id, {name: str(value)[:SHOWN_LENGTH_MAX] for name, value in shown.items()}


async def _obey_once(connection: Connection, heard: Heard[Any], now: datetime) -> str | None:
    """Obey a command unless it was; returns the code of what is wrong with it. The caller holds the account's lock."""
    identity = (heard.event.source, heard.event.id)
    asked = orjson.dumps([heard.event.type, heard.data.model_dump()], option=orjson.OPT_SORT_KEYS)
    content_hash = hashlib.blake2b(asked, digest_size=16).digest()
    if not await connection.fetchval(_SQL.claim_command, *identity, content_hash, now):
        is_same = await connection.fetchval(_SQL.hash_of_command, *identity) == content_hash
        return None if is_same else "id_reused"
    problem = await _OBEY[type(heard.data)](connection, heard, now)
    if problem is not None:
        await connection.execute(_SQL.forget_command, *identity)
    return problem


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
