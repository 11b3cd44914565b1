"""Amounts of payment requests: rounded half-up to the cent, once (contract §7, Usage)."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.payment_requests import (
    LEGAL_FOR_THE_AGENCY,
    IllegalTransition,
    PaymentRequest,
    RequestStatus,
    duration_text,
    minutes_millionths,
    minutes_text,
    set_status,
    supplementary_request,
)
from services.subscriptions.domain.rhythm import Period
from services.subscriptions.domain.terms import usage_cents
from tests.domain.subscriptions.plans import NOW, a_request, terms

LEGAL_WORDS = {
    ("pending", "paid"), ("pending", "failed"), ("pending", "canceled"), ("pending", "overdue"),
    ("overdue", "paid"), ("overdue", "failed"), ("overdue", "canceled"),
    ("failed", "paid"), ("failed", "failed"), ("failed", "canceled"),
}  # fmt: skip


@given(st.integers(0, 10**10), st.integers(0, 10**9))
def test_billable_seconds_times_the_rate_are_rounded_half_up_to_the_cent_once(billable_ms: int, rate: int) -> None:
    exact_cents = Fraction(billable_ms, 60_000) * Fraction(rate, 10_000)
    assert usage_cents(billable_ms, rate) == floor(exact_cents + Fraction(1, 2))


@pytest.mark.parametrize(
    ("seconds", "rate_micros", "cents"), [(30, 10_000, 1), (29, 10_000, 0), (90, 100_000, 15), (1, 0, 0)]
)
def test_half_a_cent_is_a_cent(seconds: int, rate_micros: int, cents: int) -> None:
    assert usage_cents(seconds * 1000, rate_micros) == cents


def test_a_plan_without_a_rate_charges_nothing_for_what_is_over() -> None:
    assert usage_cents(3_600_000, None) == 0


@pytest.mark.parametrize("present", list(RequestStatus))
@pytest.mark.parametrize("wanted", list(RequestStatus))
def test_the_agency_may_do_what_the_contract_lists_and_nothing_else(
    present: RequestStatus, wanted: RequestStatus
) -> None:
    """Agency: pending|overdue|failed → paid|failed|canceled, pending → overdue; else 409 `illegal_transition`."""
    request = a_request(status=present)
    if (present.value, wanted.value) in LEGAL_WORDS:
        assert set_status(request, wanted, NOW).status is wanted
    else:
        with pytest.raises(IllegalTransition):
            set_status(request, wanted, NOW)
    assert set(LEGAL_FOR_THE_AGENCY) == set(RequestStatus)


def test_only_a_paid_request_says_when_it_was_paid() -> None:
    assert set_status(a_request(), RequestStatus.PAID, NOW).paid_at == NOW
    assert set_status(a_request(), RequestStatus.FAILED, NOW).paid_at is None


def test_a_request_is_in_arrears_from_its_due_date_on() -> None:
    request: PaymentRequest = a_request(due_at=datetime(2027, 1, 8, tzinfo=UTC))
    assert not request.is_delinquent(datetime(2027, 1, 7, 23, 59, 59, tzinfo=UTC))
    assert request.is_delinquent(datetime(2027, 1, 8, tzinfo=UTC))
    assert a_request(status=RequestStatus.OVERDUE).is_delinquent(NOW)
    assert not a_request(status=RequestStatus.PAID).is_delinquent(datetime(2099, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(("chats", "ms"), [(7, 8571), (1, 60_000), (60_000, 1), (None, None)])
def test_a_chat_takes_a_minute_divided_by_the_chats_rounded_down(chats: int | None, ms: int | None) -> None:
    """In chat mode a chat takes floor(60,000 / chats_per_minute)."""
    assert terms(chats_per_minute=chats).chat_ms == ms


@given(st.lists(st.integers(1, 100_000), max_size=20), st.integers(0, 10**6), st.sampled_from(["0", "0.0075", "0.10"]))
def test_supplements_add_up_to_all_the_time_rounded_once(late: list[int], billable_ms: int, rate: str) -> None:
    """However the late usage of a period comes in, what is asked for is its time at the rate."""
    plan, asked_ms = terms(minute_rate_usd=rate), billable_ms
    asked_cents = usage_cents(billable_ms, plan.rate_micros_per_minute)
    for number, late_ms in enumerate(late, 1):
        request = supplementary_request(
            account_id="client",
            subscription_id="sub_1",
            terms=plan,
            period=Period(3, NOW, NOW + timedelta(days=31), 3),
            canceled_at=NOW + timedelta(days=5),
            billable_ms=asked_ms,
            late_ms=late_ms,
            number=number,
            at=NOW + timedelta(days=6),
            make_id=lambda prefix, _: f"{prefix}_1",
        )
        asked_ms += late_ms
        if request is not None:
            asked_cents += request.amount_cents
            assert (request.supplement, request.kind, request.period_number) == (number, "usage", 3)
            assert (request.period_start, request.period_end) == (NOW, NOW + timedelta(days=5))
            assert request.due_at == NOW + timedelta(days=6 + plan.due_days)
    assert asked_cents == usage_cents(asked_ms, plan.rate_micros_per_minute)


def test_time_is_written_as_people_read_it() -> None:
    assert [minutes_text(1), minutes_text(50)] == ["1 minute", "50 minutes"]
    assert duration_text(754_000) == "12 min 34 s"
    assert minutes_millionths(90_000) == 1_500_000
    assert minutes_millionths(1) == 17
