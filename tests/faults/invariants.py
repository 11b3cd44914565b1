"""After every case: is everything as it was acknowledged, to the micro? Each difference is a finding, in words."""

import asyncio
from collections import Counter, defaultdict
from typing import Any

from services.everything import QUEUES
from shared.messaging.topology import dead_queue, retry_queue
from shared.postgres.audit import audit_books
from tests.faults.load import Load
from tests.faults.people import PACK_MINUTES
from tests.faults.stage import Stage, broker, until
from tests.faults.witness import Witness

USAGE_QUEUE = "ledger.charge_usage"
SETTLE_S = 120.0
SHOWN_MAX = 10
TOLD_TRIES_MAX = 100
HOLD_STATES = ("open", "billed", "released", "orphaned")
SETTLED = """
    SELECT (SELECT count(*) FROM ledger.usage_events) >= $1
       AND NOT EXISTS (SELECT FROM ledger.outbox) AND NOT EXISTS (SELECT FROM ledger.news)
       AND NOT EXISTS (
           SELECT FROM payments.attempts WHERE state IN ('created', 'submitting', 'unknown', 'processing'))
"""


async def settled(stage: Stage, load: Load, *, seconds: float = SETTLE_S) -> None:
    """Wait until everything acknowledged is in the books and everything in the books is told."""
    await load.drain(seconds=seconds)
    expected = len(load.model.usage)

    async def is_quiet() -> bool:
        return bool(await stage.fetchval(SETTLED, expected)) and await _queues_are_empty(stage)

    try:
        await until(is_quiet, seconds=seconds, what="quiet")
    except AssertionError:
        there = await stage.fetchval("SELECT count(*) FROM ledger.usage_events")
        news = await stage.fetchval("SELECT count(*) FROM ledger.news")
        unsaid = await stage.fetchval("SELECT count(*) FROM ledger.outbox")
        raise AssertionError(
            f"not settled within {seconds:.0f} s: {there} of {expected} events, {news} news, {unsaid} unsaid"
        ) from None


async def _queues_are_empty(stage: Stage) -> bool:
    async with broker(stage) as rabbit:
        return not any([await rabbit.depth(name) for name in (USAGE_QUEUE, retry_queue(USAGE_QUEUE))])


async def findings(stage: Stage, load: Load, witness: Witness, *, dead_expected: int = 0) -> list[str]:
    """Everything that is not as it should be; call it once `settled`."""
    found = [f"audit: {f.invariant} {f.subject}: {f.detail}" for f in (await audit_books(stage.database_url)).findings]
    found += _some("usage", [problem async for problem in _usage(stage, load)])
    found += _some("balance", [problem async for problem in _balances(stage, load)])
    found += _some("hold", [problem async for problem in _holds(stage, load)])
    found += _some("top-up", [problem async for problem in _topups(stage, load)])
    found += _some("pack", [problem async for problem in _packs(stage, load)])
    found += _some("news", [problem async for problem in _news(stage, witness)])
    found += _some("gate", load.model.answers.wrong)
    found += await _dead(stage, dead_expected)
    return found


def _some(what: str, problems: list[str]) -> list[str]:
    more = [f"{what}: and {len(problems) - SHOWN_MAX} more"] if len(problems) > SHOWN_MAX else []
    return [f"{what}: {problem}" for problem in problems[:SHOWN_MAX]] + more


async def _usage(stage: Stage, load: Load) -> Any:
    """Each acknowledged event is there once, moved what it costs once, and nothing else is there."""
    rows = await stage.fetch(
        "SELECT u.account_id, source, event_id, coalesce(-amount_micros, 0) AS micros"
        " FROM ledger.usage_events AS u LEFT JOIN ledger.transfers AS t ON t.id = transfer_id"
    )
    billed = {(row["account_id"], row["source"], row["event_id"]): row["micros"] for row in rows}
    for key, micros in load.model.usage.items():
        if billed.get(key) != micros:
            yield f"{key} was acknowledged, costs {micros}, billed {billed.get(key)}"
    for key in billed.keys() - load.model.usage.keys():
        yield f"{key} is billed, but was never acknowledged to us"


async def _balances(stage: Stage, load: Load) -> Any:
    """What each was opened with, plus what its card paid, less what it used."""
    expected = defaultdict(int, load.model.credit_micros)
    for payment in await stage.sim.objects("payment_intent"):
        if payment["status"] == "succeeded":
            expected[payment["metadata"]["org"]] += payment["amount_received"] * 10_000
    for (account, _, _), micros in load.model.usage.items():
        expected[account] -= micros
    for account, micros in load.model.fees.items():
        expected[account] -= micros
    rows = await stage.fetch("SELECT account_id, balance_micros FROM ledger.accounts")
    for row in rows:
        if row["balance_micros"] != expected[row["account_id"]]:
            yield f"{row['account_id']}: {row['balance_micros']}, should be {expected[row['account_id']]}"


async def _holds(stage: Stage, load: Load) -> Any:
    rows = await stage.fetch("SELECT account_id, kind, ref_id, hold_id, state FROM ledger.holds")
    holds = {(row["account_id"], row["kind"], row["ref_id"]): (row["hold_id"], row["state"]) for row in rows}
    for place, hold_id in load.model.allowed.items():
        if holds.get(place, ("", ""))[0] != hold_id or holds[place][1] not in HOLD_STATES:
            yield f"{place} was allowed with {hold_id}, the books have {holds.get(place)}"
    for place in load.model.released:
        if holds.get(place, ("", ""))[1] != "released":
            yield f"{place} was released, the books have {holds.get(place)}"
    told = await stage.fetch(
        "SELECT account_id, data ->> 'call_id' AS call_id, data ->> 'message_id' AS message_id"
        " FROM ledger.events WHERE type LIKE '%\\_rejected\\_%'"
    )
    said = {(row["account_id"], row["call_id"] or row["message_id"]) for row in told}
    for account, kind, ref in load.model.refused:
        if (account, ref) not in said:
            yield f"{(account, kind, ref)} was refused without an event"


async def _topups(stage: Stage, load: Load) -> Any:
    """Each acknowledged top-up is one payment; no payment is of none, nor for one that was acknowledged twice."""
    rows = await stage.fetch(
        "SELECT account_id, client_key, state, amount_cents FROM payments.attempts WHERE kind = 'topup'"
    )
    paid = Counter(
        (row["client_key"], row["account_id"], row["amount_cents"]) for row in rows if row["state"] == "succeeded"
    )
    for key, (account, cents) in load.model.topups.items():
        if paid[key, account, cents] != 1:
            yield f"{key} of {account} over {cents} was paid {paid[key, account, cents]} times"
    charged = sum(payment["status"] == "succeeded" for payment in await stage.sim.objects("payment_intent"))
    credited = await stage.fetchval("SELECT count(*) FROM ledger.transfers WHERE counter_account = 'clearing:stripe'")
    if charged != credited:
        yield f"{charged} charges, {credited} credits"


async def _packs(stage: Stage, load: Load) -> Any:
    rows = await stage.fetch("SELECT account_id, wallet_ms FROM ledger.pools")
    minutes = {row["account_id"]: row["wallet_ms"] // 60_000 for row in rows}
    for client, packs in load.model.packs.items():
        if minutes.get(client) != packs * PACK_MINUTES:
            yield f"{client} has {minutes.get(client)} minutes of {packs} packs"


async def _news(stage: Stage, witness: Witness) -> Any:
    """«Every committed change is published at least once», and the last balance told is the last there is."""
    for _ in range(TOLD_TRIES_MAX):  # a card may be charged while we look
        untold = [problem async for problem in _untold(stage, witness)]
        if not untold:
            return
        await asyncio.sleep(0.1)
    for problem in untold:
        yield problem


async def _untold(stage: Stage, witness: Witness) -> Any:
    for row in await stage.fetch("SELECT id, type, account_id FROM ledger.events"):
        if row["id"] not in witness.heard:
            yield f"{row['type']} {row['id']} of {row['account_id']} was never published"
    accounts = await stage.fetch(
        "SELECT account_id, version, ledger.floor_cents(balance_micros) AS cents, event_seq, announced_count,"
        " entry_count FROM ledger.accounts WHERE version > 0"
    )
    for row in accounts:
        told = witness.latest.get(row["account_id"])
        if told != (row["version"], row["cents"]):
            yield f"{row['account_id']}: told {told}, is {dict(row)}"


async def _dead(stage: Stage, expected: int) -> list[str]:
    async with broker(stage) as rabbit:
        dead = {queue: await rabbit.depth(dead_queue(queue)) for queue in QUEUES}
    wrong = {queue: depth for queue, depth in dead.items() if depth and queue != USAGE_QUEUE}
    found = [f"dead letters: {depth} in {queue}" for queue, depth in wrong.items()]
    if dead.get(USAGE_QUEUE) != expected:
        found.append(f"dead letters: {dead.get(USAGE_QUEUE)} usage messages, should be {expected}")
    return found
