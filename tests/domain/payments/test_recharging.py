"""When a card is charged by ourselves, how much, and what suspends (contract §5)."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.payments.domain.attempts import Kind
from services.payments.domain.recharging import (
    AutoCharge,
    Charge,
    Policy,
    Standing,
    WhyNot,
    brake_limit,
    cap_month,
    cents_to_reach,
    decide,
    owed_cents,
    suspension_reason,
)

NOW = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
AUTO = AutoCharge(threshold_cents=200, amount_cents=2_500)
STANDING = Standing(balance_micros=0, credit_limit_micros=0, auto_charge=False, settle_negative=False)
POLICY = Policy(
    has_card=True,
    reload_enabled=True,
    minimum_cents=1_000,
    amount_cents=2_000,
    monthly_limit_cents=None,
    month_spend_cents=0,
    stopped=None,
    next_try_at=None,
    declines=0,
    is_in_flight=False,
)
OFF = replace(POLICY, reload_enabled=False)
BALANCES = st.integers(-(10**11), 10**11)
CENTS = st.integers(1, 10**7)


def asked(standing: Standing, policy: Policy) -> Charge | WhyNot:
    return decide(standing, policy, AUTO, card_limit_cents=99_999_999, now=NOW)


@given(BALANCES, CENTS, CENTS)
def test_fm04_one_charge_closes_the_gap(balance: int, minimum: int, amount: int) -> None:
    """§5: "one charge of max(amount, minimum − balance)"; failure mode 4."""
    policy = replace(POLICY, minimum_cents=minimum, amount_cents=amount)
    decision = asked(replace(STANDING, balance_micros=balance), policy)
    if balance >= minimum * 10_000:
        assert decision is WhyNot.NOT_DUE
        return
    assert isinstance(decision, Charge)
    assert balance + decision.amount_cents * 10_000 >= minimum * 10_000
    assert decision.amount_cents == max(50, amount, cents_to_reach(minimum, balance))


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**5))
def test_cents_to_reach_is_the_least_that_reaches(balance: int, target: int) -> None:
    cents = cents_to_reach(target, balance)
    assert balance + cents * 10_000 >= target * 10_000
    assert balance + (cents - 1) * 10_000 < target * 10_000


def test_a_balance_at_the_minimum_is_not_below_it() -> None:
    assert asked(replace(STANDING, balance_micros=1_000 * 10_000), POLICY) is WhyNot.NOT_DUE
    assert isinstance(asked(replace(STANDING, balance_micros=1_000 * 10_000 - 1), POLICY), Charge)


@given(st.integers(0, 10**6), CENTS, st.integers(0, 10**6), BALANCES)
def test_the_cap_is_never_exceeded_and_never_met_by_a_partial_charge(
    limit: int, amount: int, spent: int, balance: int
) -> None:
    """§5: "never beyond the calendar-month (UTC) cap …, what is in flight counted (… no charge, never a partial one)"."""
    assume(balance < 1_000 * 10_000)
    policy = replace(POLICY, amount_cents=amount, monthly_limit_cents=limit, month_spend_cents=spent)
    decision = asked(replace(STANDING, balance_micros=balance), policy)
    full = max(50, amount, cents_to_reach(1_000, balance))
    if spent + full > limit:
        assert decision is WhyNot.CAPPED
    else:
        assert decision == Charge(Kind.AUTO_RELOAD, full)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (replace(POLICY, has_card=False), WhyNot.NO_CARD),
        (replace(POLICY, is_in_flight=True), WhyNot.IN_FLIGHT),
        (replace(POLICY, stopped="declines"), WhyNot.STOPPED),
        (replace(POLICY, next_try_at=NOW + timedelta(seconds=1)), WhyNot.BACKING_OFF),
    ],
)
def test_what_keeps_a_card_from_being_charged(policy: Policy, why: WhyNot) -> None:
    assert asked(STANDING, policy) is why


def test_the_back_off_ends_at_its_instant() -> None:
    assert isinstance(asked(STANDING, replace(POLICY, next_try_at=NOW)), Charge)


def test_postpaid_charges_below_two_dollars_while_auto_reload_is_off() -> None:
    """§5: "one charge of max($25.00, threshold − balance)"."""
    standing = replace(STANDING, auto_charge=True, balance_micros=1_990_000)
    assert asked(standing, OFF) == Charge(Kind.AUTO_CHARGE, 2_500)
    assert asked(replace(standing, balance_micros=2_000_000), OFF) is WhyNot.NOT_DUE
    assert asked(replace(standing, balance_micros=-50_000_000), OFF) == Charge(Kind.AUTO_CHARGE, 5_200)
    reloading = asked(replace(standing, balance_micros=1_000_000), POLICY)
    assert isinstance(reloading, Charge)
    assert reloading.kind is Kind.AUTO_RELOAD


def test_settling_charges_what_is_owed_and_at_least_half_a_dollar() -> None:
    """§5: "charges what is owed, at least $0.50 (the surplus is credit), never what a dispute took"."""
    standing = replace(STANDING, settle_negative=True)
    assert asked(replace(standing, balance_micros=-1), OFF) == Charge(Kind.SETTLE_NEGATIVE, 50)
    assert asked(replace(standing, balance_micros=-3_000_001), OFF) == Charge(Kind.SETTLE_NEGATIVE, 301)
    assert asked(standing, OFF) is WhyNot.NOT_DUE
    disputed = replace(standing, balance_micros=-20_000_000, dispute_debt_micros=20_000_000)
    assert asked(disputed, OFF) is WhyNot.NOT_DUE
    assert owed_cents(replace(disputed, balance_micros=-23_000_000)) == 300


def test_nothing_acts_where_nothing_was_allowed() -> None:
    assert asked(replace(STANDING, balance_micros=-(10**9)), OFF) is WhyNot.NOT_DUE


@given(BALANCES, st.integers(0, 10**11), st.sampled_from([*WhyNot]), st.booleans(), st.booleans())
def test_only_what_is_overdrawn_is_suspended(
    balance: int, limit: int, why: WhyNot, has_card: bool, failed: bool
) -> None:
    """§5: "balance + credit limit below zero and not chargeable now …; Balance 0 never suspends"."""
    standing = replace(STANDING, balance_micros=balance, credit_limit_micros=limit)
    reason = suspension_reason(standing, why, last_charge_failed=failed, has_card=has_card, present=None)
    if balance + limit >= 0 or why is WhyNot.IN_FLIGHT:
        assert reason is None
    else:
        assert reason == ("payment_failed" if failed and has_card else "balance_depleted")


def test_a_charge_about_to_be_tried_leaves_what_is() -> None:
    owing = replace(STANDING, balance_micros=-1)
    charge = Charge(Kind.AUTO_RELOAD, 100)
    for present in (None, "balance_depleted", "payment_failed"):
        kept = suspension_reason(owing, charge, last_charge_failed=False, has_card=True, present=present)
        assert kept == present


def test_the_cap_counts_calendar_months_in_utc() -> None:
    assert cap_month(NOW) == date(2026, 3, 1)
    assert cap_month(NOW + timedelta(seconds=1)) == date(2026, 4, 1)


def test_the_brake_allows_twenty_or_a_tenth() -> None:
    assert brake_limit(25, accounts_min=20, percent=10) == 20
    assert brake_limit(1_000, accounts_min=20, percent=10) == 100
