"""Numbers: record renting and release, charge the fee at each mark, give back what a late release shows unowed."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import asyncpg
import structlog

from services.ledger.context import LedgerContext
from services.ledger.corrections import refunded_of
from services.ledger.domain.posting import REVENUE, Later, judge_known
from services.ledger.domain.renting import Rental, fee_marks, next_mark, rentals_from
from services.ledger.domain.usage import Refused, UsageFact
from services.ledger.store import QUERIES
from services.ledger.transfers import Transfer, post_transfers
from shared.clock import rfc3339
from shared.contracts.usage_v1 import NumberChanged
from shared.money import cents_ceil, usd_exact, usd_text
from shared.postgres.pool import Connection, transaction
from shared.rating.cost import NotPriced, NumberTerms, component_json, number_fee, number_terms
from shared.rating.describe import describe_number_fee

ACCOUNTS_PER_COMMIT_MAX = 200
UNPRICED = NumberTerms(0, 0, "30d")

log = structlog.get_logger(__name__)


async def record_change(
    context: LedgerContext, connection: Connection, fact: UsageFact, now: datetime
) -> Refused | Later | None:
    """Record that a number was rented or released, and derive its rentals anew."""
    assert isinstance(fact.usage, NumberChanged)
    account = await connection.fetchrow(QUERIES.lock_account, fact.account_id)
    if account is None:
        return Later("unknown_account", f"there is no account {fact.account_id}")
    known = await connection.fetchrow(QUERIES.find_usage, *fact.identity)
    if known is not None:
        return judge_known(fact, known["content_hash"])
    terms = await _terms(context, fact.usage, account["prices_version"])
    if isinstance(terms, NotPriced):
        return Refused("destination_not_priced", "no price for a number fits this one")
    await _record(connection, fact, account["is_suspended_by_billing"], now)
    await _derive(connection, fact.usage, terms, now)
    return None


async def _terms(context: LedgerContext, usage: NumberChanged, prices_version: int) -> NumberTerms | NotPriced:
    await context.prices.learn([usage.account_id])
    prices = context.prices.in_force(usage.account_id, prices_version, usage.at)
    if prices is None:
        return UNPRICED
    return number_terms(book=prices.book, number=usage.number, at=usage.at) or UNPRICED


async def _record(connection: Connection, fact: UsageFact, is_suspended: bool, now: datetime) -> None:
    usage = fact.usage
    assert isinstance(usage, NumberChanged)
    await connection.execute(
        QUERIES.record_usage,
        *fact.identity,
        fact.type,
        fact.content_hash,
        "posted",
        fact.occurred_at,
        fact.stated_at,
        now,
        fact.data,
        None,
        None,
        None,
    )
    await connection.execute(QUERIES.upsert_number, usage.account_id, usage.number_id, usage.number, is_suspended)
    change = fact.type.removeprefix("number.")
    await connection.execute(QUERIES.insert_number_change, usage.account_id, usage.number_id, usage.at, change)


async def _derive(connection: Connection, usage: NumberChanged, terms: NumberTerms, now: datetime) -> None:
    key = (usage.account_id, usage.number_id)
    changes = [(row["at"], row["change"]) for row in await connection.fetch(QUERIES.number_changes, *key)]
    before = {row["rented_at"]: row["per"] for row in await connection.fetch(QUERIES.forget_rentals, *key)}
    transfers: list[Transfer] = []
    rentals = rentals_from(changes)
    for rental in rentals:
        per = before.get(rental.rented_at, terms.per)
        due = next_mark(rental, per=per, after=None)
        await connection.execute(QUERIES.insert_rental, *key, rental.rented_at, rental.released_at, per, due)
        if rental.rented_at not in before:
            transfers += _set_up(usage, rental, terms)
    for ended, following in pairwise([*rentals, None]):
        if ended is not None and ended.released_at is not None:
            until = following.rented_at if following else None
            rows = await connection.fetch(QUERIES.fees_after, *key, ended.released_at, until)
            for row in rows:
                refunded_micros = await refunded_of(connection, row["id"])
                if refunded_micros < -row["amount_micros"]:
                    transfers.append(_reversal(usage, row, refunded_micros))
    fresh = await _not_posted_yet(connection, transfers)
    if fresh:
        await post_transfers(connection, fresh, now)


def _set_up(usage: NumberChanged, rental: Rental, terms: NumberTerms) -> list[Transfer]:
    if terms.setup_micros == 0:
        return []
    amount = usd_exact(terms.setup_micros)
    return [
        Transfer(
            account_id=usage.account_id,
            kind="debit",
            reason="number_fee",
            amount_micros=-terms.setup_micros,
            counter_account=REVENUE,
            description=f"Number set-up: {usage.number}",
            reference_type="number",
            reference_id=usage.number_id,
            origin=f"setup:{usage.account_id}/{usage.number_id}/{rfc3339(rental.rented_at)}",
            number_id=usage.number_id,
            number_value=usage.number,
            metadata={"components": [{"item": "number", "setup_usd": amount, "amount_usd": amount}]},
        )
    ]


def _reversal(usage: NumberChanged, fee: asyncpg.Record, refunded_micros: int) -> Transfer:
    """A fee whose mark lies after the release, which came to be known only later; less what was refunded of it."""
    return Transfer(
        account_id=usage.account_id,
        kind="adjustment",
        reason="adjustment",
        amount_micros=-fee["amount_micros"] - refunded_micros,
        counter_account=REVENUE,
        description=f"Number fee given back: {usage.number} was released before",
        reference_type="number",
        reference_id=usage.number_id,
        origin=f"given_back:{fee['origin']}",
        number_id=usage.number_id,
        number_value=usage.number,
        metadata={"corrects_transaction": fee["id"], "mark": fee["metadata"]["mark"]},
    )


async def _not_posted_yet(connection: Connection, transfers: Sequence[Transfer]) -> list[Transfer]:
    origins = [transfer.origin for transfer in transfers]
    known = {row["origin"] for row in await connection.fetch(QUERIES.known_origins, origins)}
    return [transfer for transfer in transfers if transfer.origin not in known]


async def charge_due_fees(context: LedgerContext) -> int:
    """Charge every fee whose mark has passed, each once, whatever ticks were missed; returns how many."""
    charged = 0
    now = context.host.clock.now()
    while True:
        rows = await context.pool.fetch(QUERIES.accounts_with_a_fee_due, now, ACCOUNTS_PER_COMMIT_MAX)
        if not rows:
            return charged
        account_ids = [row["account_id"] for row in rows]
        async with transaction(context.pool) as connection:
            charged += await _charge(context, connection, account_ids, now)
        context.host.announcer.tell(account_ids)


async def _charge(context: LedgerContext, connection: Connection, account_ids: Sequence[str], now: datetime) -> int:
    accounts = {row["account_id"]: row for row in await connection.fetch(QUERIES.lock_accounts, account_ids)}
    await context.prices.learn(account_ids)
    due = await connection.fetch(QUERIES.rentals_with_a_fee_due, account_ids, now)
    transfers = [
        transfer for row in due for transfer in _fees(context, row, accounts[row["account_id"]]["prices_version"], now)
    ]
    fresh = await _not_posted_yet(connection, transfers)
    if fresh:
        await post_transfers(connection, fresh, now)
        await _say(connection, fresh, now)
    nexts = [next_mark(_rental(row), per=row["per"], after=now) for row in due]
    keys = ([row[name] for row in due] for name in ("account_id", "number_id", "rented_at"))
    await connection.execute(QUERIES.set_next_fee, *keys, nexts)
    return len(fresh)


def _rental(row: asyncpg.Record) -> Rental:
    return Rental(row["rented_at"], row["released_at"])


def _fees(context: LedgerContext, row: asyncpg.Record, prices_version: int, now: datetime) -> list[Transfer]:
    marks = fee_marks(_rental(row), per=row["per"], not_before=row["next_fee_at"], until=now)
    fees = [_fee(context, row, prices_version, due.ordinal, due.at) for due in marks]
    return [fee for fee in fees if fee is not None]


def _fee(
    context: LedgerContext, row: asyncpg.Record, prices_version: int, ordinal: int, at: datetime
) -> Transfer | None:
    """The fee of one mark at the price of that moment; None where nothing is priced."""
    prices = context.prices.in_force(row["account_id"], prices_version, at)
    rated = None if prices is None else number_fee(book=prices.book, number=row["number"], at=at)
    if rated is None or isinstance(rated, NotPriced) or not rated.components:
        log.warning("number_fee_not_priced", account_id=row["account_id"], number_id=row["number_id"])
        return None
    mark = rfc3339(at)
    metadata: dict[str, Any] = {
        "components": [component_json(component) for component in rated.components],
        "mark": mark,
        "period": ordinal,
        "rented_at": rfc3339(row["rented_at"]),
    }
    return Transfer(
        account_id=row["account_id"],
        kind="debit",
        reason="number_fee",
        amount_micros=-rated.total_micros,
        counter_account=REVENUE,
        description=describe_number_fee(rated, row["number"]),
        reference_type="number",
        reference_id=row["number_id"],
        origin=f"fee:{row['account_id']}/{row['number_id']}/{rfc3339(row['rented_at'])}/{ordinal}",
        number_id=row["number_id"],
        number_value=row["number"],
        metadata=metadata,
    )


async def _say(connection: Connection, fees: Sequence[Transfer], now: datetime) -> None:
    said = [
        {
            "number_id": fee.number_id,
            "number": fee.number_value,
            "amount_cents": cents_ceil(-fee.amount_micros),
            "amount_usd": usd_text(cents_ceil(-fee.amount_micros)),
            "mark": fee.metadata["mark"],
        }
        for fee in fees
    ]
    account_ids = [fee.account_id for fee in fees]
    await connection.execute(QUERIES.append_events, account_ids, ["number_fee_charged"] * len(fees), said, now)
