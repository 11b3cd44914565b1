"""Terms and requests to test with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st

from services.subscriptions.domain.payment_requests import MakeId, PaymentRequest, RequestStatus
from services.subscriptions.domain.rhythm import Rhythm
from services.subscriptions.domain.terms import Terms

NOW = datetime(2027, 1, 1, tzinfo=UTC)

_TERMS = Terms(
    plan_id="plan_1",
    name="Voice 100",
    currency="USD",
    recurring_fee_cents=4_900,
    minute_rate_usd="0.10",
    included_minutes=100,
    rhythm=Rhythm("monthly", 1, "UTC"),
    due_days=7,
    grace_days=3,
    packs_allowed=True,
    client_may_start=True,
    chats_per_minute=None,
)


def terms(**changes: Any) -> Terms:
    return replace(_TERMS, **changes)


def numbered_ids() -> MakeId:
    """Ids that count: the same story makes the same ids."""
    numbers = count(1)
    return lambda prefix, _: f"{prefix}_{next(numbers):06d}"


def a_request(*, status: RequestStatus = RequestStatus.PENDING, due_at: datetime | None = None) -> PaymentRequest:
    due = due_at or NOW + timedelta(days=7)
    return PaymentRequest(
        id="preq_1",
        account_id="client",
        subscription_id="sub_1",
        period_number=1,
        type="cycle",
        kind="recurring",
        status=status,
        currency="USD",
        amount_cents=4_900,
        line_items=(),
        period_start=NOW,
        period_end=NOW + timedelta(days=31),
        created_at=NOW,
        due_at=due,
        grace_until=due + timedelta(days=3),
    )


def instants(first_year: int, last_year: int) -> st.SearchStrategy[datetime]:
    """Any instant of these years, to the microsecond."""
    first, last = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year, 1, 1, tzinfo=UTC)
    return st.timedeltas(timedelta(0), last - first).map(lambda after: first + after)
