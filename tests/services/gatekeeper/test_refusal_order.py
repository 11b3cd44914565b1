"""The order of the refusals, walked pair by pair: whatever else is wrong, the earlier one is told."""

from itertools import combinations
from typing import Any

import pytest

from services.gatekeeper.domain.admission import first_refusal
from services.gatekeeper.domain.outcomes import Refusal
from services.gatekeeper.domain.state import Account

ORDER = [
    "account_disabled",
    "subscription_blocked",
    "payment_overdue",
    "no_subscription",
    "account_suspended",
    "number_suspended",
    "concurrency_limit_reached",
    "spend_limit_reached",
    "insufficient_balance",
]
"""As contract §2 lists them."""

WRONG: dict[str, dict[str, Any]] = {
    "account_disabled": {"disabled": True},
    "subscription_blocked": {"access_refusal": "subscription_blocked"},
    "payment_overdue": {"access_refusal": "payment_overdue"},
    "no_subscription": {"access_refusal": "no_subscription"},
    "account_suspended": {"manual_suspension": "fraud"},
    "number_suspended": {},
    "concurrency_limit_reached": {"max_concurrent_calls": 2, "open_call_holds": 2},
    "spend_limit_reached": {"monthly_spend_limit_micros": 100, "month_spend_micros": 100},
    "insufficient_balance": {"balance_micros": 0},
}


def refusal_of(*wrong: str) -> Refusal | None:
    terms: dict[str, Any] = {"balance_micros": 10_000_000}
    for name in wrong:
        terms |= WRONG[name]
    return first_refusal(
        account=Account("a", **terms),
        direction="outbound",
        number_is_suspended="number_suspended" in wrong,
        opens_a_call=True,
        need_micros=180_000,
        own_micros=0,
        lacks_minutes=False,
    )


def test_the_enum_stands_in_the_order_of_the_contract() -> None:
    assert [refusal.code for refusal in Refusal] == ORDER


def test_nothing_wrong_is_no_refusal() -> None:
    assert refusal_of() is None


@pytest.mark.parametrize("code", ORDER)
def test_each_refusal_is_told_when_it_is_alone(code: str) -> None:
    refusal = refusal_of(code)
    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize(("earlier", "later"), list(combinations(ORDER, 2)))
def test_the_earlier_refusal_is_told(earlier: str, later: str) -> None:
    refusal = refusal_of(later, earlier)  # access refusals exclude one another, so the earlier one is set last
    assert refusal is not None
    assert refusal.code == earlier


def test_a_billing_suspension_lets_allowed_inbound_through_and_a_manual_one_nothing() -> None:
    """account_suspended (a billing suspension lets inbound under `allow` through, a manual one nothing)."""

    def inbound(**terms: Any) -> Refusal | None:
        return first_refusal(
            account=Account("a", **terms),
            direction="inbound",
            number_is_suspended=False,
            opens_a_call=True,
            need_micros=180_000,
            own_micros=0,
            lacks_minutes=False,
        )

    assert inbound(inbound_policy="allow", billing_suspension="balance_depleted") is None
    assert inbound(inbound_policy="reject", billing_suspension="balance_depleted") is Refusal.ACCOUNT_SUSPENDED
    assert inbound(inbound_policy="allow", manual_suspension="fraud") is Refusal.ACCOUNT_SUSPENDED
