"""Payment requests: what is asked of a client, and what may become of it. Pure (contract §7, Payment request)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from services.subscriptions.domain.rhythm import Period
from services.subscriptions.domain.terms import MS_PER_MINUTE, Terms, usage_cents
from shared.money import usd_text

Kind = Literal["recurring", "usage"]
MakeId = Callable[[str, datetime], str]
"""(prefix, instant) → a new id."""

ONE: Final = 1_000_000
"""One unit of a line item."""


class RequestStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    OVERDUE = "overdue"
    FAILED = "failed"
    CANCELED = "canceled"


UNPAID: Final = frozenset({RequestStatus.PENDING, RequestStatus.OVERDUE, RequestStatus.FAILED})

LEGAL_FOR_THE_AGENCY: Final[dict[RequestStatus, frozenset[RequestStatus]]] = {
    RequestStatus.PENDING: frozenset(
        {RequestStatus.PAID, RequestStatus.FAILED, RequestStatus.CANCELED, RequestStatus.OVERDUE}
    ),
    RequestStatus.OVERDUE: frozenset({RequestStatus.PAID, RequestStatus.FAILED, RequestStatus.CANCELED}),
    RequestStatus.FAILED: frozenset({RequestStatus.PAID, RequestStatus.FAILED, RequestStatus.CANCELED}),
    RequestStatus.PAID: frozenset(),
    RequestStatus.CANCELED: frozenset(),
}
"""The clock knows one more: pending → overdue when the due date passes."""


@dataclass(frozen=True, slots=True)
class LineItem:
    """A quantity of units at `price_usd` (in the request's currency) each: `amount_cents`, rounded once.

    The quantity is in millionths, rounded half-up, for reading only: amounts come from milliseconds.
    """

    description: str
    quantity_millionths: int
    unit: str
    price_usd: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """Collection is outside: the agency says what came of it. Pack requests have no kind, grace or period.
    `supplement` counts the requests for usage that was told after the last period had been asked for.
    """

    id: str
    account_id: str
    subscription_id: str | None
    period_number: int | None
    type: Literal["cycle", "pack"]
    kind: Kind | None
    status: RequestStatus
    currency: str
    amount_cents: int
    line_items: tuple[LineItem, ...]
    period_start: datetime | None
    period_end: datetime | None
    created_at: datetime
    due_at: datetime
    grace_until: datetime | None
    paid_at: datetime | None = None
    external_reference: str | None = None
    supplement: int = 0

    def is_delinquent(self, now: datetime) -> bool:
        """Unpaid past its due date, or declared overdue before it."""
        return self.status is RequestStatus.OVERDUE or (self.status in UNPAID and self.due_at <= now)


class IllegalTransition(Exception):
    """A request of that status can't become that."""

    def __init__(self, present: RequestStatus, wanted: RequestStatus) -> None:
        super().__init__(f"A payment request that is {present} can't become {wanted}.")


def set_status(request: PaymentRequest, wanted: RequestStatus, now: datetime) -> PaymentRequest:
    """What the agency says became of it. Raises IllegalTransition."""
    if wanted not in LEGAL_FOR_THE_AGENCY[request.status]:
        raise IllegalTransition(request.status, wanted)
    return replace(request, status=wanted, paid_at=now if wanted is RequestStatus.PAID else None)


def recurring_request(
    *, account_id: str, subscription_id: str, terms: Terms, period: Period, make_id: MakeId
) -> PaymentRequest | None:
    """The fee of a period, asked for as it begins. Nothing is asked for where there is nothing to pay."""
    fee_cents = terms.recurring_fee_cents
    if not fee_cents:
        return None
    item = LineItem(f"{terms.name}: recurring fee", ONE, "period", usd_text(fee_cents), fee_cents)
    return _cycle("recurring", account_id, subscription_id, terms, period, period.start, fee_cents, item, make_id)


def usage_request(
    *,
    account_id: str,
    subscription_id: str,
    terms: Terms,
    period: Period,
    billable_ms: int,
    at: datetime,
    make_id: MakeId,
) -> PaymentRequest | None:
    """What a period's billable minutes cost, asked for as it ends, or `at` the cancel before that."""
    amount_cents = usage_cents(billable_ms, terms.rate_micros_per_minute)
    if amount_cents == 0:
        return None
    item = _minutes_item(f"{terms.name}: minutes beyond those included", billable_ms, terms, amount_cents)
    so_far = replace(period, end=at)
    return _cycle("usage", account_id, subscription_id, terms, so_far, at, amount_cents, item, make_id)


def supplementary_request(
    *,
    account_id: str,
    subscription_id: str,
    terms: Terms,
    period: Period,
    canceled_at: datetime,
    billable_ms: int,
    late_ms: int,
    number: int,
    at: datetime,
    make_id: MakeId,
) -> PaymentRequest | None:
    """What is still to pay where `late_ms` came in after `billable_ms` of the last period had been asked for.

    All requests of the period add up to the cents of all its time, rounded once; so a request may differ from its own
    minutes at the rate by a cent, and there is none while a part of a cent is all there is.
    """
    rate = terms.rate_micros_per_minute
    amount_cents = usage_cents(billable_ms + late_ms, rate) - usage_cents(billable_ms, rate)
    if amount_cents == 0:
        return None
    item = _minutes_item(f"{terms.name}: minutes told after the end", late_ms, terms, amount_cents)
    last = replace(period, end=canceled_at)
    request = _cycle("usage", account_id, subscription_id, terms, last, at, amount_cents, item, make_id)
    return replace(request, supplement=number)


def _minutes_item(text: str, ms: int, terms: Terms, amount_cents: int) -> LineItem:
    assert terms.minute_rate_usd is not None
    description = f"{text}, {duration_text(ms)}"
    return LineItem(description, minutes_millionths(ms), "minute", terms.minute_rate_usd, amount_cents)


def _cycle(
    kind: Kind,
    account_id: str,
    subscription_id: str,
    terms: Terms,
    period: Period,
    at: datetime,
    amount_cents: int,
    item: LineItem,
    make_id: MakeId,
) -> PaymentRequest:
    due_at = at + timedelta(days=terms.due_days)
    return PaymentRequest(
        id=make_id("preq", at),
        account_id=account_id,
        subscription_id=subscription_id,
        period_number=period.number,
        type="cycle",
        kind=kind,
        status=RequestStatus.PENDING,
        currency=terms.currency,
        amount_cents=amount_cents,
        line_items=(item,),
        period_start=period.start,
        period_end=period.end,
        created_at=at,
        due_at=due_at,
        grace_until=due_at + timedelta(days=terms.grace_days),
    )


def pack_request(
    *,
    account_id: str,
    subscription_id: str | None,
    name: str,
    minutes: int,
    currency: str,
    price_cents: int,
    due_days: int,
    is_paid: bool,
    at: datetime,
    make_id: MakeId,
) -> PaymentRequest:
    """The price of a pack, asked for as it is applied, or paid already. Packs have no grace and never block."""
    item = LineItem(f"{name}: {minutes_text(minutes)}", ONE, "pack", usd_text(price_cents), price_cents)
    return PaymentRequest(
        id=make_id("preq", at),
        account_id=account_id,
        subscription_id=subscription_id,
        period_number=None,
        type="pack",
        kind=None,
        status=RequestStatus.PAID if is_paid else RequestStatus.PENDING,
        currency=currency,
        amount_cents=price_cents,
        line_items=(item,),
        period_start=None,
        period_end=None,
        created_at=at,
        due_at=at + timedelta(days=due_days),
        grace_until=None,
        paid_at=at if is_paid else None,
    )


def minutes_text(minutes: int) -> str:
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def minutes_millionths(ms: int) -> int:
    """Millionths of minutes, rounded half-up: 90_000 ms → 1_500_000."""
    return (2 * ms * ONE + MS_PER_MINUTE) // (2 * MS_PER_MINUTE)


def duration_text(ms: int) -> str:
    """750_500 → "12 min 30.5 s"."""
    minutes, rest = divmod(ms, MS_PER_MINUTE)
    seconds, thousandths = divmod(rest, 1_000)
    decimals = f".{thousandths:03d}".rstrip("0") if thousandths else ""
    return f"{minutes} min {seconds}{decimals} s"
