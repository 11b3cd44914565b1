"""Charging by ourselves when a balance is low: every trigger asks the same question under the same lock.

The balance event, the recharge tick, a changed policy and a changed card may come together, twice and late; one
charge is in flight per account, and the back-off hangs on the last outcome, not on the balance (failure mode 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog

from services.payments import brake
from services.payments.charging import abandon, begin, drive
from services.payments.context import Context
from services.payments.domain.recharging import (
    Charge,
    Standing,
    WhyNot,
    cap_month,
    decide,
    due_charge,
    is_capped,
    suspension_reason,
)
from services.payments.provider import ProviderUnavailable
from services.payments.standing import keep_dispute_debt
from services.payments.store import (
    SQL,
    Attempt,
    append_event,
    lock_profile,
    payable_account,
    policy_of,
    standing_of,
)
from shared.postgres.pool import OUTAGES, Connection, transaction

CHARGE_LIMIT_CENTS = 99_999_999
"""Stripe takes eight digits."""
PAGE = 5_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Considered:
    """What came of it: an attempt to drive, or earlier ones that the customer must no longer confirm first."""

    begun: Attempt | None = None
    abandon_first: Sequence[Attempt] = ()


async def consider_all(context: Context) -> None:
    """All accounts there are, so many at a time."""
    after = ""
    while rows := await context.pool.fetch(SQL.accounts_after, after, PAGE):
        account_ids = [row["account_id"] for row in rows]
        await consider_many(context, account_ids)
        after = account_ids[-1]


async def consider_many(context: Context, account_ids: Sequence[str]) -> None:
    """Those of these accounts whose standing asks for something.

    Those that crossed are counted before any is charged, so a wave pulls the brake before its first charge.
    """
    threshold = context.settings.auto_charge_threshold_cents
    rows = await context.pool.fetch(SQL.accounts_in_need, account_ids, threshold)
    needy = [row["account_id"] for row in rows]
    if not needy:
        return
    await context.pool.execute(SQL.mark_crossings, needy, context.now(), threshold)
    mistakes: list[Exception] = []
    for account_id in needy:
        try:
            await consider(context, account_id)
        except OUTAGES:
            raise
        except Exception as mistake:
            # Ours, with this account; the others are not to wait for it.
            log.exception("account_not_considered", account_id=account_id)
            mistakes.append(mistake)
    if mistakes:
        raise mistakes[0]


async def consider(context: Context, account_id: str) -> Attempt | None:
    """Charge, suspend or reinstate one account as its standing asks; a charge is driven in the background."""
    considered = await _consider(context, account_id)
    if considered.abandon_first:
        try:
            for attempt in considered.abandon_first:
                await abandon(context, attempt)
        except ProviderUnavailable as outage:
            log.warning("charge_delayed", account_id=account_id, error=repr(outage))
            return None
        considered = await _consider(context, account_id)
    if considered.begun is not None:
        context.spawn(drive(context, considered.begun.attempt_id), f"charge {account_id}")
    return considered.begun


async def _consider(context: Context, account_id: str) -> Considered:
    now = context.now()
    async with transaction(context.pool) as connection:
        # Lock first, read second: whoever credited before us is in the balance we read.
        profile = await lock_profile(connection, account_id)
        account = await payable_account(connection, account_id)
        if account is None:
            return Considered()
        standing = standing_of(account, profile)
        await keep_dispute_debt(connection, profile, standing)
        decision = await _decide(context, connection, profile, standing, now)
        await _note_crossing(context, connection, profile, standing, now)
        considered = await _begin(context, connection, profile, account, decision, now)
        if is_capped(decision):
            await _say_capped(connection, profile, now)  # why it is not charged, before what follows from it
        await _suspend_or_lift(connection, profile, account, standing, decision, now)
    context.tell(account_id)
    return considered


async def _decide(
    context: Context, connection: Connection, profile: asyncpg.Record, standing: Standing, now: datetime
) -> Charge | WhyNot:
    account_id = profile["account_id"]
    policy = policy_of(
        profile,
        month_spend_cents=await connection.fetchval(SQL.month_spend, account_id, cap_month(now)),
        is_in_flight=await connection.fetchval(SQL.has_automatic_in_flight, account_id),
    )
    return decide(standing, policy, context.auto_charge, card_limit_cents=CHARGE_LIMIT_CENTS, now=now)


async def _note_crossing(
    context: Context, connection: Connection, profile: asyncpg.Record, standing: Standing, now: datetime
) -> None:
    policy = policy_of(profile, month_spend_cents=0, is_in_flight=False)
    if due_charge(standing, policy, context.auto_charge) is None:
        if not standing.is_overdrawn:
            await connection.execute(SQL.set_recovered, profile["account_id"])
    else:
        await connection.execute(SQL.set_crossed, profile["account_id"], now)


async def _begin(
    context: Context,
    connection: Connection,
    profile: asyncpg.Record,
    account: asyncpg.Record,
    decision: Charge | WhyNot,
    now: datetime,
) -> Considered:
    if not isinstance(decision, Charge):
        return Considered()
    account_id = profile["account_id"]
    if await brake.stops_charges(connection, context.settings, now):
        return Considered()
    if not await brake.books_agree(connection, profile, now):
        return Considered()
    open_ones = [Attempt.of(row) for row in await connection.fetch(SQL.unpaid_automatic, account_id)]
    if open_ones:
        return Considered(abandon_first=open_ones)
    customer_id = await connection.fetchval(SQL.find_customer, account_id)
    assert customer_id is not None, "a default card belongs to a customer"
    begun = await begin(
        connection,
        provider=context.provider.name,
        account_id=account_id,
        kind=decision.kind,
        customer_id=customer_id,
        card_id=profile["default_card_id"],
        amount_cents=decision.amount_cents,
        now=now,
    )
    return Considered(begun=begun)


async def _suspend_or_lift(
    connection: Connection,
    profile: asyncpg.Record,
    account: asyncpg.Record,
    standing: Standing,
    decision: Charge | WhyNot,
    now: datetime,
) -> None:
    present = account["billing_suspension"]
    wanted = suspension_reason(
        standing,
        decision,
        last_charge_failed=profile["declines"] > 0,
        has_card=profile["default_card_id"] is not None,
        present=present,
    )
    pardoned = profile["pardoned_balance_micros"]
    # Reinstated by a new card: what could not be charged then does not suspend again, new debt does.
    is_pardoned = pardoned is not None and account["balance_micros"] >= pardoned
    if present is None and wanted == "balance_depleted" and is_pardoned:
        return
    if wanted != present:
        await connection.execute(SQL.set_suspension, profile["account_id"], wanted, now)


async def _say_capped(connection: Connection, profile: asyncpg.Record, now: datetime) -> None:
    """Once a month, until the policy changes: a cap that silently stops refills is a support case."""
    if profile["capped_month"] == cap_month(now):
        return
    await connection.execute(SQL.set_capped, profile["account_id"], cap_month(now))
    data = {"monthly_limit_cents": profile["reload_monthly_limit_cents"]}
    await append_event(connection, profile["account_id"], "auto_reload_capped", data, now)
