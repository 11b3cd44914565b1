"""The life of a subscription: started, renewed, past due, blocked, canceled. Pure (contract §7, Subscription).

`advance` plays everything that falls due up to an instant in the order in which it falls due, each thing at its own
time. So it makes no difference when, or how often, it is called: a late call does what the calls in time would have
done. Amounts come from the milliseconds the ledger counted; nothing here knows of a database.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.subscriptions.domain.payment_requests import (
    UNPAID,
    MakeId,
    PaymentRequest,
    RequestStatus,
    recurring_request,
    usage_request,
)
from services.subscriptions.domain.rhythm import Period, first_period, next_period
from services.subscriptions.domain.terms import Terms

STEPS_MAX: Final = 200
"""How much one call plays; the rest is still due afterwards and is played by the next."""


class Status(StrEnum):
    ACTIVE = "active"
    PAST_DUE = "past_due"
    BLOCKED = "blocked"
    CANCELED = "canceled"


LEGAL: Final[dict[Status, frozenset[Status]]] = {
    Status.ACTIVE: frozenset({Status.PAST_DUE, Status.CANCELED}),
    Status.PAST_DUE: frozenset({Status.ACTIVE, Status.BLOCKED, Status.CANCELED}),
    Status.BLOCKED: frozenset({Status.CANCELED}),
    Status.CANCELED: frozenset(),
}
RENEWING: Final = frozenset({Status.ACTIVE, Status.PAST_DUE})

_BECOMING: Final = {
    Status.PAST_DUE: "subscription_past_due",
    Status.BLOCKED: "subscription_blocked",
    Status.CANCELED: "subscription_canceled",
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it stands. `period` is the open one, or the last one once it is canceled."""

    id: str
    account_id: str
    terms: Terms
    status: Status
    started_at: datetime
    period: Period
    canceled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, to be told outside: the type of the event, and what it is about as it then was."""

    type: str
    about: Subscription | PaymentRequest


@dataclass(frozen=True, slots=True)
class ClosedPeriod:
    """A period that is over at `at`, with the milliseconds its usage request was made from."""

    number: int
    at: datetime
    billable_ms: int


@dataclass(slots=True)
class Story:
    """A subscription with its unpaid cycle requests, and what has happened to it since it was read.

    `billable_ms` is what the open period has accrued.
    """

    subscription: Subscription
    unpaid: dict[str, PaymentRequest] = field(default_factory=dict)
    billable_ms: int = 0
    closed: list[ClosedPeriod] = field(default_factory=list)
    opened: list[Period] = field(default_factory=list)
    created: dict[str, PaymentRequest] = field(default_factory=dict)
    changed: dict[str, PaymentRequest] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)

    def become(self, status: Status) -> None:
        assert status in LEGAL[self.subscription.status], (self.subscription.status, status)
        self.subscription = replace(self.subscription, status=status)
        if status in _BECOMING:
            self.facts.append(Fact(_BECOMING[status], self.subscription))

    def add(self, request: PaymentRequest | None) -> None:
        if request is not None:
            self.created[request.id] = self.unpaid[request.id] = request
            self.facts.append(Fact("payment_request_created", request))

    def update(self, request: PaymentRequest) -> None:
        known = self.created if request.id in self.created else self.changed
        known[request.id] = request
        if request.status in UNPAID:
            self.unpaid[request.id] = request
        else:
            self.unpaid.pop(request.id, None)
        self.facts.append(Fact("payment_request_updated", request))


def story_of(subscription: Subscription, unpaid: Iterable[PaymentRequest], billable_ms: int) -> Story:
    """Begin with what is stored."""
    return Story(subscription, {request.id: request for request in unpaid}, billable_ms)


def start(*, subscription_id: str, account_id: str, terms: Terms, now: datetime, make_id: MakeId) -> Story:
    """Start a subscription: its first period, and the request for its fee."""
    period = first_period(now, terms.rhythm)
    story = Story(Subscription(subscription_id, account_id, terms, Status.ACTIVE, now, period))
    story.opened.append(period)
    story.facts.append(Fact("subscription_started", story.subscription))
    _ask_for_the_fee(story, make_id)
    return story


def advance(story: Story, *, now: datetime, make_id: MakeId) -> None:
    """Play what has fallen due up to `now`, at most STEPS_MAX things. Called again it changes nothing."""
    for _ in range(STEPS_MAX):
        moment = next_moment(story)
        if moment is None or moment[0] > now:
            return
        _, what, request_id = moment
        if what == _DUE:
            _pass_due_date(story, story.unpaid[request_id])
        elif what == _GRACE_OVER:
            story.become(Status.BLOCKED)
        else:
            _renew(story, make_id)


def cancel(story: Story, *, now: datetime, make_id: MakeId) -> None:
    """End it at once: the usage so far is asked for, nothing is refunded. `advance` comes first."""
    subscription = story.subscription
    assert subscription.status is not Status.CANCELED
    _close(story, now, make_id)
    story.subscription = replace(subscription, canceled_at=now)
    story.become(Status.CANCELED)


def follow_request(story: Story, request: PaymentRequest, *, now: datetime) -> None:
    """The agency changed a cycle request: the status follows. Blocked stays blocked, whatever is paid.

    Only what is no longer owed makes active again: a payment declared overdue that then fails has not been made.
    """
    story.update(request)
    is_delinquent = any(each.is_delinquent(now) for each in story.unpaid.values())
    if story.subscription.status is Status.ACTIVE and is_delinquent:
        story.become(Status.PAST_DUE)
    elif story.subscription.status is Status.PAST_DUE and not is_delinquent and request.status not in UNPAID:
        story.become(Status.ACTIVE)


_DUE, _GRACE_OVER, _PERIOD_OVER = range(3)


def next_moment(story: Story) -> tuple[datetime, int, str] | None:
    """(when, what, request id) of what falls due next; None for a subscription with which nothing happens by itself.

    In one instant due dates pass first, then grace, then the period: a subscription blocked at the end of its period
    does not renew.
    """
    subscription = story.subscription
    if subscription.status not in RENEWING:
        return None
    moments = [(subscription.period.end, _PERIOD_OVER, "")]
    for request in story.unpaid.values():
        is_new_arrear = request.status is RequestStatus.FAILED and subscription.status is Status.ACTIVE
        if request.status is RequestStatus.PENDING or is_new_arrear:
            moments.append((request.due_at, _DUE, request.id))
        elif request.grace_until is not None:
            moments.append((request.grace_until, _GRACE_OVER, request.id))
    return min(moments)


def _pass_due_date(story: Story, request: PaymentRequest) -> None:
    if request.status is RequestStatus.PENDING:
        story.update(replace(request, status=RequestStatus.OVERDUE))
    if story.subscription.status is Status.ACTIVE:
        story.become(Status.PAST_DUE)


def _renew(story: Story, make_id: MakeId) -> None:
    subscription = story.subscription
    _close(story, subscription.period.end, make_id)
    following = next_period(subscription.period, subscription.started_at, subscription.terms.rhythm)
    story.subscription = replace(subscription, period=following)
    story.opened.append(following)
    story.facts.append(Fact("subscription_renewed", story.subscription))
    _ask_for_the_fee(story, make_id)


def _close(story: Story, at: datetime, make_id: MakeId) -> None:
    subscription = story.subscription
    story.closed.append(ClosedPeriod(subscription.period.number, at, story.billable_ms))
    story.add(
        usage_request(
            account_id=subscription.account_id,
            subscription_id=subscription.id,
            terms=subscription.terms,
            period=subscription.period,
            billable_ms=story.billable_ms,
            at=at,
            make_id=make_id,
        )
    )
    story.billable_ms = 0


def _ask_for_the_fee(story: Story, make_id: MakeId) -> None:
    subscription = story.subscription
    story.add(
        recurring_request(
            account_id=subscription.account_id,
            subscription_id=subscription.id,
            terms=subscription.terms,
            period=subscription.period,
            make_id=make_id,
        )
    )
