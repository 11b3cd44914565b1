"""`usage.adjusted`: post the difference between what was billed and what should have been.

A correction that comes before its original waits in the books and is settled with it. The first posting stays;
what all of an event's postings add up to is always the price of the correction in force, in whatever order
original and corrections came.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import asyncpg

from services.ledger.context import LedgerContext
from services.ledger.domain.charges import Charge, charge_for, minutes_charge, minutes_needed_ms
from services.ledger.domain.correcting import Correction, Minutes, correct_ms, corrected, difference_micros, in_force
from services.ledger.domain.posting import REVENUE, Later, MinutesUsed, judge_known
from services.ledger.domain.usage import Refused, UsageFact, stored_usage
from services.ledger.plans import QUERIES as PLANS
from services.ledger.plans import consume_minutes, plan_of, plans_then
from services.ledger.store import QUERIES
from services.ledger.transfers import Transfer, post_transfers
from shared.contracts.usage_v1 import UsageAdjusted
from shared.money import usd_exact
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries
from shared.rating.cost import NotPriced

CORRECTABLE = ("call.ended", "sms.sent", "sms.received", "chat.message")
Identity = tuple[str, str, str]
_SQL = Queries.load(Path(__file__).parent / "queries" / "corrections.sql")


async def record(
    context: LedgerContext, connection: Connection, fact: UsageFact, now: datetime
) -> Refused | Later | None:
    """Record one correction, and settle it if its original is here."""
    assert isinstance(fact.usage, UsageAdjusted)
    if await connection.fetchrow(QUERIES.lock_account, fact.account_id) is None:
        return Later("unknown_account", f"there is no account {fact.account_id}")
    known = await connection.fetchrow(QUERIES.find_usage, *fact.identity)
    if known is not None:
        return judge_known(fact, known["content_hash"])
    refers_to = fact.usage.refers_to
    await connection.execute(
        QUERIES.record_usage,
        *fact.identity,
        fact.type,
        fact.content_hash,
        "waiting",
        fact.occurred_at,
        fact.stated_at,
        now,
        fact.data,
        None,
        refers_to.source,
        refers_to.id,
    )
    refused = await settle(context, connection, (fact.account_id, refers_to.source, refers_to.id), now)
    if refused is not None:
        await connection.execute(QUERIES.forget_usage, *fact.identity)
    return refused


async def settle(context: LedgerContext, connection: Connection, original: Identity, now: datetime) -> Refused | None:
    """Post what is missing between an event's postings and its correction in force."""
    row = await connection.fetchrow(QUERIES.find_usage, *original)
    if row is None or row["state"] == "waiting":
        return None
    if row["type"] not in CORRECTABLE:
        return Refused("invalid_event", f"a {row['type']} can't be corrected")
    if row["data"] is None:
        return Refused("original_archived", f"what it said is in the archive of {row['received_at']:%Y-%m}: restore it")
    rows = await connection.fetch(QUERIES.corrections_of, *original)
    corrections = [_correction(each) for each in rows]
    force = in_force(corrections)
    transfer_ids = [each["transfer_id"] for each in [row, *rows] if each["transfer_id"] is not None]
    fact = stored_usage(
        source=row["source"],
        event_id=row["event_id"],
        type=row["type"],
        data=row["data"],
        stated_at=row["stated_at"],
    )
    fact.usage = corrected(fact.usage, force.quantities)
    if row["book_version"] is None:
        posted = await _settle_minutes(connection, fact, transfer_ids, now)
    else:
        charge = await _charge(context, fact, row)
        if isinstance(charge, NotPriced):
            return Refused("destination_not_priced", f"no price for {charge.item} fits the corrected usage")
        refunded_micros = await refunded_of(connection, row["transfer_id"])
        posted = await _settle_money(connection, fact, charge, transfer_ids, refunded_micros, now)
    await _mark(connection, original[0], corrections, force, posted)
    return None


def _correction(row: asyncpg.Record) -> Correction:
    quantities = UsageAdjusted.model_validate(row["data"]).quantities
    return Correction(row["source"], row["event_id"], row["stated_at"], quantities)


async def _charge(context: LedgerContext, fact: UsageFact, row: asyncpg.Record) -> Charge | NotPriced:
    """The corrected usage at the versions that priced the original."""
    if row["own_version"] is not None or row["book_version"] > context.prices.newest_version:
        await context.prices.learn([fact.account_id])
    book = context.prices.at_versions(fact.account_id, row["book_version"], row["own_version"])
    return charge_for(fact.usage, type=fact.type, book=book, at=fact.occurred_at)


async def refunded_of(connection: Connection, transfer_id: int | None) -> int:
    """What was given back of a debit by refunds to the wallet, in micros. The caller holds the account's lock."""
    refunded: int = await connection.fetchval(_SQL.refunded_of, transfer_id)
    return refunded


async def _settle_money(
    connection: Connection,
    fact: UsageFact,
    charge: Charge,
    transfer_ids: Sequence[int],
    refunded_micros: int,
    now: datetime,
) -> int | None:
    so_far = await connection.fetchval(QUERIES.amounts_of, transfer_ids)
    difference = difference_micros(
        price_micros=charge.amount_micros, posted_micros=so_far, refunded_micros=refunded_micros
    )
    if difference == 0:
        return None
    return await _post(connection, fact, charge, difference, transfer_ids, now)


async def _settle_minutes(
    connection: Connection, fact: UsageFact, transfer_ids: Sequence[int], now: datetime
) -> int | None:
    """The difference goes where usage told now would go: into the open period, or to the plan that has stopped."""
    pools = await connection.fetchrow(PLANS.pools_of, fact.account_id)
    if pools is None:
        return None
    (then,) = await plans_then(connection, [fact])
    plan = plan_of(then)
    needed_ms = None if plan is None else minutes_needed_ms(fact.usage, chat_ms=plan.chat_ms)
    if plan is None or needed_ms is None:
        return None
    moved_ms = await connection.fetchval(PLANS.moved_minutes_of, fact.account_id, transfer_ids)
    parts = correct_ms(needed_ms - moved_ms, _minutes(pools, then))
    used = [MinutesUsed(fact.account_id, pool, ms, plan.subscription_id, 0) for pool, ms in parts.items() if ms]
    if not used:
        return None
    transfer_id = await _post(connection, fact, minutes_charge(fact.usage, parts=parts), 0, transfer_ids, now)
    await consume_minutes(connection, used, [transfer_id], now, reason="corrected")
    return transfer_id


def _minutes(pools: asyncpg.Record, then: asyncpg.Record) -> Minutes:
    is_open = pools["subscription_id"] is not None
    return Minutes(
        is_open=is_open,
        included_ms=pools["included_ms"],
        wallet_ms=pools["wallet_ms"],
        billable_ms=pools["billable_ms"] if is_open else then["late_ms"],
        included_used_ms=pools["included_used_ms"],
        wallet_used_ms=pools["wallet_used_ms"],
    )


async def _post(
    connection: Connection,
    fact: UsageFact,
    charge: Charge,
    difference_micros: int,
    transfer_ids: Sequence[int],
    now: datetime,
) -> int:
    transfer = Transfer(
        account_id=fact.account_id,
        kind="adjustment",
        reason="usage_adjusted",
        amount_micros=difference_micros,
        counter_account=REVENUE,
        description=f"Correction: {charge.description}",
        reference_type=charge.reference_type,
        reference_id=charge.reference_id,
        metadata={
            **charge.metadata,
            "corrected_total_usd": usd_exact(charge.amount_micros),
            "corrects_transactions": list(transfer_ids),
        },
    )
    settled = [] if fact.settled_id is None else [(fact.account_id, fact.settled_id)]
    return (await post_transfers(connection, [transfer], now, settled=settled))[0]


async def _mark(
    connection: Connection,
    account_id: str,
    corrections: Sequence[Correction],
    force: Correction,
    transfer_id: int | None,
) -> None:
    """The one in force is posted, and pays; all others are superseded, and keep what they posted."""
    for each in corrections:
        is_in_force = each is force
        await connection.execute(
            QUERIES.set_usage_state,
            account_id,
            each.source,
            each.event_id,
            "posted" if is_in_force else "superseded",
            transfer_id if is_in_force else None,
        )
