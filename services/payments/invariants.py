"""Charges and credits compared with the provider's own lists, both ways (contract §9, 4).

`findings` reads only; it is run by `ringfence audit`, by the audit tick and by tests.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import structlog
from prometheus_client import Gauge

from services.payments.applying import apply_payment
from services.payments.context import Context
from services.payments.disputes import apply_dispute
from services.payments.provider import Dispute, Payment, Provider, ProviderUnavailable, Refund
from services.payments.refunds import apply_refunds_of
from services.payments.store import SQL
from shared.money import MICROS_PER_CENT
from shared.postgres.audit import Finding

AUDITED = timedelta(days=3)
"""How far back the audit tick looks; `ringfence audit` looks at everything."""
OPEN_MAX = timedelta(hours=48)
RECHECK_SECONDS = 2.0

FINDINGS = Gauge("ringfence_payments_findings", "Differences this process last found between provider and books.")
CHECKED_AT = Gauge(
    "ringfence_payments_check_timestamp_seconds",
    "When this process last compared them, since the epoch; 0 when never.",
)

log = structlog.get_logger(__name__)


@dataclass
class _Books:
    """The transfers of a payment provider by their origin, in micros."""

    by_origin: dict[str, int] = field(default_factory=dict)
    account_of: dict[str, str] = field(default_factory=dict)
    reason_of: dict[str, str] = field(default_factory=dict)


async def findings(
    pool: asyncpg.Pool,
    provider: Provider,
    now: datetime,
    *,
    since: datetime | None = None,
    recheck_seconds: float = RECHECK_SECONDS,
) -> list[Finding]:
    """What the provider has and the books lack, and the other way round. Raises `ProviderUnavailable`.

    `since` None compares everything. `pool` may act as payments or as audit. A charge may be made and credited
    while we look, so what differs is looked at twice, and only what still differs is a finding.
    """
    found = await _compare(pool, provider, now, since)
    if found and recheck_seconds > 0:
        await asyncio.sleep(recheck_seconds)
        again = await _compare(pool, provider, now, since)
        found = [finding for finding in found if finding in again]
    return found


async def _compare(pool: asyncpg.Pool, provider: Provider, now: datetime, since: datetime | None) -> list[Finding]:
    books = await _books(pool, since)
    found: list[Finding] = []
    payments = {p.payment_id: p async for p in provider.payments_since(since) if p.is_ours and p.payment_id}
    found += _compare_payments(provider.name, books, payments)
    found += await _compare_refunds(provider, books, payments, since)
    found += await _compare_disputes(provider, books, payments, since)
    if since is None:
        found += _unknown_origins(provider.name, books, payments)
    found += await _open_too_long(pool, now)
    return found


async def _books(pool: asyncpg.Pool, since: datetime | None) -> _Books:
    books = _Books()
    for row in await pool.fetch(SQL.payment_transfers, since):
        books.by_origin[row["origin"]] = row["amount_micros"]
        books.account_of[row["origin"]] = row["account_id"]
        books.reason_of[row["origin"]] = row["reason"]
    return books


def _compare_payments(provider: str, books: _Books, payments: dict[str, Payment]) -> list[Finding]:
    found = []
    for payment_id, payment in payments.items():
        origin = f"{provider}:{payment_id}"
        credited = books.by_origin.get(origin)
        if payment.status == "succeeded":
            expected = payment.received_cents * MICROS_PER_CENT
            if credited is None:
                found.append(_finding("a_charge_has_its_credit", payment_id, f"{expected} micros never credited"))
            elif credited != expected:
                found.append(_finding("a_charge_has_its_credit", payment_id, f"{credited} instead of {expected}"))
            elif payment.account_id not in (None, books.account_of[origin]):
                detail = f"credited to {books.account_of[origin]} instead of {payment.account_id}"
                found.append(_finding("a_charge_has_its_credit", payment_id, detail))
        elif credited is not None:
            found.append(_finding("a_credit_has_its_charge", payment_id, f"credited, but is {payment.status}"))
    return found


async def _compare_refunds(
    provider: Provider, books: _Books, payments: dict[str, Payment], since: datetime | None
) -> list[Finding]:
    found = []
    async for refund in provider.refunds_since(since):
        if not _is_ours(provider, refund, books, payments):
            continue
        # Ours are named by our id, debited before the provider knew of them; others by the provider's.
        names = [f"{provider.name}:{known}" for known in (refund.provider_refund_id, refund.refund_id) if known]
        moved = sum(books.by_origin.get(origin, 0) for name in names for origin in (name, f"{name}:failed"))
        expected = 0 if refund.is_gone else -refund.amount_cents * MICROS_PER_CENT
        if moved != expected:
            detail = f"the books moved {moved}, the provider {expected}"
            found.append(_finding("a_refund_is_mirrored", refund.provider_refund_id, detail))
    return found


async def _compare_disputes(
    provider: Provider, books: _Books, payments: dict[str, Payment], since: datetime | None
) -> list[Finding]:
    found = []
    async for dispute in provider.disputes_since(since):
        if not _is_ours(provider, dispute, books, payments):
            continue
        origin = f"{provider.name}:{dispute.dispute_id}"
        moved = books.by_origin.get(origin, 0) + books.by_origin.get(f"{origin}:won", 0)
        takes = dispute.is_taken and not dispute.is_returned
        expected = -dispute.amount_cents * MICROS_PER_CENT if takes else 0
        if moved != expected:
            detail = f"the books moved {moved}, the provider {expected}"
            found.append(_finding("a_dispute_is_mirrored", dispute.dispute_id, detail))
    return found


def _is_ours(provider: Provider, fact: Refund | Dispute, books: _Books, payments: dict[str, Payment]) -> bool:
    return fact.payment_id in payments or f"{provider.name}:{fact.payment_id}" in books.by_origin


def _unknown_origins(provider: str, books: _Books, payments: dict[str, Payment]) -> list[Finding]:
    """Credits for charges the provider never made. Refunds and disputes are compared from the provider's side."""
    return [
        _finding("a_credit_has_its_charge", origin, "the provider has no such charge")
        for origin in books.by_origin
        if books.reason_of[origin] in ("topup", "auto_reload", "auto_charge", "settle_negative")
        and origin.removeprefix(f"{provider}:") not in payments
    ]


async def _open_too_long(pool: asyncpg.Pool, now: datetime) -> list[Finding]:
    rows = await pool.fetch(SQL.open_attempts_before, now - OPEN_MAX)
    return [_finding("a_charge_comes_to_an_end", row["attempt_id"], f"{row['state']} for two days") for row in rows]


def _finding(invariant: str, subject: str, detail: str) -> Finding:
    return Finding("payments", invariant, subject, detail)


async def audit_charges(context: Context) -> list[Finding]:
    """The audit tick: credit what was lost, then say what is still different."""
    now = context.now()
    since = now - AUDITED
    try:
        await _heal(context, since)
        found = await findings(context.pool, context.provider, now, since=since)
    except ProviderUnavailable as outage:
        log.warning("audit_delayed", error=repr(outage))
        return []
    FINDINGS.set(len(found))
    CHECKED_AT.set(context.now().timestamp())
    for finding in found:
        log.error("payments_finding", invariant=finding.invariant, subject=finding.subject, detail=finding.detail)
    return found


async def _heal(context: Context, since: datetime) -> None:
    """What a lost webhook, a lost answer or a restored backup left out comes back by the one path of facts."""
    touched: set[str] = set()
    async for payment in context.provider.payments_since(since):
        if payment.is_ours and payment.status == "succeeded" and payment.payment_id is not None:
            known = await context.pool.fetchval(SQL.is_credited, context.provider.name, payment.payment_id)
            if not known:
                await apply_payment(context, payment)
    async for refund in context.provider.refunds_since(since):
        if refund.payment_id is not None:
            touched.add(refund.payment_id)
    for payment_id in touched:
        await apply_refunds_of(context, payment_id)
    async for dispute in context.provider.disputes_since(since):
        await apply_dispute(context, dispute)
