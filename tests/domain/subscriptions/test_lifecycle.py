"""The life of a subscription, told in examples (contract §7, Subscription and Payment request)."""

from datetime import UTC, datetime, timedelta

from services.subscriptions.domain.access import refusal
from services.subscriptions.domain.lifecycle import (
    LEGAL,
    Status,
    Story,
    advance,
    cancel,
    follow_request,
    next_moment,
    start,
)
from services.subscriptions.domain.payment_requests import MakeId, PaymentRequest, RequestStatus, set_status
from tests.domain.subscriptions.plans import NOW, numbered_ids, terms

DAY = timedelta(days=1)


def begun(**changes: object) -> tuple[Story, MakeId]:
    ids = numbered_ids()
    return start(subscription_id="sub_1", account_id="client", terms=terms(**changes), now=NOW, make_id=ids), ids


def requests(story: Story) -> list[tuple[str, int, str]]:
    return [(str(r.kind), r.amount_cents, str(r.status)) for r in story.created.values()]


def only(story: Story) -> PaymentRequest:
    (request,) = story.unpaid.values()
    return request


def told(story: Story) -> list[str]:
    return [fact.type for fact in story.facts]


def test_a_subscription_starts_with_its_period_and_the_request_for_its_fee() -> None:
    story, _ = begun()
    assert story.subscription.period.end == datetime(2027, 2, 1, tzinfo=UTC)
    assert requests(story) == [("recurring", 4_900, "pending")]
    assert told(story) == ["subscription_started", "payment_request_created"]


def test_due_is_created_plus_due_days_and_grace_follows_it() -> None:
    story, _ = begun(due_days=7, grace_days=3)
    assert only(story).due_at == NOW + 7 * DAY
    assert only(story).grace_until == NOW + 10 * DAY


def test_a_period_ends_with_its_usage_request_and_the_next_begins_with_its_fee() -> None:
    story, ids = begun()
    follow_request(story, set_status(only(story), RequestStatus.PAID, NOW), now=NOW)
    story.billable_ms = 90_000
    advance(story, now=datetime(2027, 2, 1, tzinfo=UTC), make_id=ids)
    assert requests(story)[1:] == [("usage", 15, "pending"), ("recurring", 4_900, "pending")]
    usage = next(r for r in story.created.values() if r.kind == "usage")
    assert (usage.period_start, usage.period_end) == (NOW, datetime(2027, 2, 1, tzinfo=UTC))
    assert story.billable_ms == 0
    assert told(story)[-3:] == ["payment_request_created", "subscription_renewed", "payment_request_created"]


def test_nothing_to_pay_makes_no_request() -> None:
    story, ids = begun(recurring_fee_cents=None)
    advance(story, now=datetime(2027, 3, 1, tzinfo=UTC), make_id=ids)
    assert requests(story) == []
    assert len(story.opened) == 3


def test_unpaid_past_its_due_date_makes_it_past_due_and_grace_over_blocks_it() -> None:
    story, ids = begun()
    advance(story, now=NOW + 7 * DAY, make_id=ids)
    assert (story.subscription.status, only(story).status) == (Status.PAST_DUE, RequestStatus.OVERDUE)
    advance(story, now=NOW + 10 * DAY, make_id=ids)
    assert story.subscription.status is Status.BLOCKED
    assert next_moment(story) is None


def test_fm16_paid_in_grace_makes_it_active_again_and_it_can_become_past_due_again() -> None:
    """Block, pay, block again (failure-modes 16): each arrear counts anew."""
    story, ids = begun(due_days=7, grace_days=30)
    for month in range(3):
        advance(story, now=story.subscription.period.start + 8 * DAY, make_id=ids)
        assert story.subscription.status is Status.PAST_DUE, month
        now = story.subscription.period.start + 9 * DAY
        follow_request(story, set_status(only(story), RequestStatus.PAID, now), now=now)
        assert story.subscription.status is Status.ACTIVE
        advance(story, now=story.subscription.period.end, make_id=ids)


def test_a_past_due_subscription_renews_and_stays_past_due() -> None:
    story, ids = begun(due_days=7, grace_days=60)
    advance(story, now=datetime(2027, 2, 1, tzinfo=UTC), make_id=ids)
    assert story.subscription.status is Status.PAST_DUE
    assert story.subscription.period.number == 2


def test_it_stays_past_due_while_another_cycle_request_is_unpaid_past_its_due_date() -> None:
    story, ids = begun(due_days=7, grace_days=60)
    now = datetime(2027, 2, 9, tzinfo=UTC)
    advance(story, now=now, make_id=ids)
    first, second = story.unpaid.values()
    follow_request(story, set_status(first, RequestStatus.PAID, now), now=now)
    assert story.subscription.status is Status.PAST_DUE
    follow_request(story, set_status(second, RequestStatus.CANCELED, now), now=now)
    assert story.subscription.status is Status.ACTIVE


def test_a_failed_request_is_still_owed_when_its_due_date_passes() -> None:
    story, ids = begun()
    follow_request(story, set_status(only(story), RequestStatus.FAILED, NOW), now=NOW)
    assert story.subscription.status is Status.ACTIVE
    advance(story, now=NOW + 7 * DAY, make_id=ids)
    assert story.subscription.status is Status.PAST_DUE
    advance(story, now=NOW + 10 * DAY, make_id=ids)
    assert story.subscription.status is Status.BLOCKED


def test_declared_overdue_by_the_agency_it_is_past_due_at_once() -> None:
    story, _ = begun()
    follow_request(story, set_status(only(story), RequestStatus.OVERDUE, NOW), now=NOW)
    assert story.subscription.status is Status.PAST_DUE


def test_a_payment_declared_overdue_that_then_fails_makes_nobody_active_again() -> None:
    """«Paid, and no other cycle request unpaid past its due date → active again»: failed is not paid."""
    story, ids = begun()
    follow_request(story, set_status(only(story), RequestStatus.OVERDUE, NOW), now=NOW)
    follow_request(story, set_status(only(story), RequestStatus.FAILED, NOW), now=NOW)
    assert story.subscription.status is Status.PAST_DUE
    advance(story, now=NOW + 9 * DAY, make_id=ids)
    assert story.subscription.status is Status.PAST_DUE
    follow_request(story, set_status(only(story), RequestStatus.PAID, NOW + 9 * DAY), now=NOW + 9 * DAY)
    assert story.subscription.status is Status.ACTIVE


def test_blocked_does_not_renew_and_is_not_left_by_paying() -> None:
    """Active and past_due renew, blocked doesn't. Blocked is left only by cancel and a new start."""
    story, ids = begun()
    late = datetime(2027, 6, 1, tzinfo=UTC)
    advance(story, now=late, make_id=ids)
    assert story.subscription.period.number == 1
    follow_request(story, set_status(only(story), RequestStatus.PAID, late), now=late)
    assert story.subscription.status is Status.BLOCKED
    cancel(story, now=late, make_id=ids)
    assert story.subscription.status is Status.CANCELED


def test_a_cancel_makes_the_usage_request_so_far_and_refunds_nothing() -> None:
    story, ids = begun()
    story.billable_ms = 60_000
    now = NOW + 3 * DAY
    cancel(story, now=now, make_id=ids)
    assert requests(story) == [("recurring", 4_900, "pending"), ("usage", 10, "pending")]
    assert story.subscription.canceled_at == now
    assert [r.period_end for r in story.created.values() if r.kind == "usage"] == [now]


def test_a_jump_over_several_periods_makes_each_period_once() -> None:
    story, ids = begun(due_days=90)
    story.billable_ms = 90_000
    advance(story, now=datetime(2027, 4, 1, tzinfo=UTC), make_id=ids)
    kinds = [(r.period_number, r.kind) for r in story.created.values()]
    assert kinds == [(1, "recurring"), (1, "usage"), (2, "recurring"), (3, "recurring"), (4, "recurring")]


def test_every_legal_transition_and_no_other_is_in_the_table() -> None:
    assert {(a.value, b.value) for a, targets in LEGAL.items() for b in targets} == {
        ("active", "past_due"),
        ("active", "canceled"),
        ("past_due", "active"),
        ("past_due", "blocked"),
        ("past_due", "canceled"),
        ("blocked", "canceled"),
    }


def test_the_gate_refuses_only_clients_with_a_plan() -> None:
    """Blocked, overdue and no_subscription concern clients with a plan only."""
    assert refusal(has_plan=False, running=None) is None
    assert refusal(has_plan=True, running=None) == "no_subscription"
    assert refusal(has_plan=True, running=Status.ACTIVE) is None
    assert refusal(has_plan=True, running=Status.PAST_DUE) == "payment_overdue"
    assert refusal(has_plan=True, running=Status.BLOCKED) == "subscription_blocked"
