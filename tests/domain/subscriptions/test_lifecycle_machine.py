"""The lifecycle as a state machine: clock jumps, payments, cancels, new starts, in any order.

Beside the subscription runs a twin that is advanced in many small steps instead of one jump. Both must tell the same
story: a late tick does what the ticks in time would have done. What else must hold is written as invariants, against
a table of legal transitions of this test's own.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.subscriptions.domain.lifecycle import Status, Story, advance, cancel, follow_request, next_moment, start
from services.subscriptions.domain.payment_requests import (
    LEGAL_FOR_THE_AGENCY,
    PaymentRequest,
    RequestStatus,
    set_status,
    supplementary_request,
)
from services.subscriptions.domain.rhythm import Rhythm
from services.subscriptions.domain.terms import usage_cents
from tests.domain.subscriptions.plans import instants, numbered_ids, terms

LEGAL = {
    ("active", "past_due"),
    ("past_due", "active"),
    ("past_due", "blocked"),
    ("active", "canceled"),
    ("past_due", "canceled"),
    ("blocked", "canceled"),
}
rhythms = st.builds(
    Rhythm,
    st.sampled_from(["daily", "weekly", "monthly", "yearly"]),
    st.integers(1, 3),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]),
)
plans: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "rhythm": rhythms,
        "recurring_fee_cents": st.sampled_from([4_900, 4_900, None, 0]),
        "minute_rate_usd": st.sampled_from([None, "0", "0.10", "0.0075"]),
        "due_days": st.sampled_from([0, 1, 7, 40]),
        "grace_days": st.sampled_from([0, 3, 40, 400]),
    }
)
jumps = st.one_of(
    st.timedeltas(timedelta(0), timedelta(days=2)),
    st.timedeltas(timedelta(0), timedelta(days=70)),
    st.sampled_from([timedelta(days=1), timedelta(days=7), timedelta(days=31), timedelta(days=365)]),
)


def advance_fully(story: Story, now: datetime, ids: Any) -> None:
    while (moment := next_moment(story)) is not None and moment[0] <= now:
        advance(story, now=now, make_id=ids)


class SubscriptionLives(RuleBasedStateMachine):
    @initialize(plan=plans, at=instants(2024, 2029))
    def begin(self, plan: dict[str, Any], at: datetime) -> None:
        self.now = at
        self.lives = 0
        self._start(plan)

    def _start(self, plan: dict[str, Any]) -> None:
        self.lives += 1
        self.terms = terms(**plan)
        self.ids, self.twin_ids = numbered_ids(), numbered_ids()
        about = {"subscription_id": f"sub_{self.lives}", "account_id": "client", "terms": self.terms, "now": self.now}
        self.story = start(**about, make_id=self.ids)  # type: ignore[arg-type]
        self.twin = start(**about, make_id=self.twin_ids)  # type: ignore[arg-type]
        self.statuses = [Status.ACTIVE]
        self.seen = 0
        self.late_ms = 0
        self.supplements: list[PaymentRequest] = []

    def _note(self) -> None:
        """Every status the subscription went through, from what was told of it."""
        said = {"subscription_past_due": Status.PAST_DUE, "subscription_blocked": Status.BLOCKED}
        for fact in self.story.facts[self.seen :]:
            if fact.type in said:
                self.statuses.append(said[fact.type])
        self.seen = len(self.story.facts)
        if self.statuses[-1] is not self.story.subscription.status:
            self.statuses.append(self.story.subscription.status)

    @rule(jump=jumps, steps=st.integers(2, 6))
    def time_passes(self, jump: timedelta, steps: int) -> None:
        for step in range(1, steps + 1):
            advance_fully(self.twin, self.now + jump * step / steps, self.twin_ids)
        self.now += jump
        advance_fully(self.story, self.now, self.ids)
        advance_fully(self.twin, self.now, self.twin_ids)
        self._note()

    @rule()
    def the_tick_comes_twice(self) -> None:
        advance_fully(self.story, self.now, self.ids)
        advance_fully(self.twin, self.now, self.twin_ids)
        self._note()
        before = (self.story.subscription, dict(self.story.created), len(self.story.facts))
        advance_fully(self.story, self.now, self.ids)
        assert before == (self.story.subscription, dict(self.story.created), len(self.story.facts))

    @precondition(lambda self: self.story.subscription.status is not Status.CANCELED)
    @rule(ms=st.integers(1, 10_000_000))
    def minutes_are_used(self, ms: int) -> None:
        self.story.billable_ms += ms
        self.twin.billable_ms += ms

    @precondition(lambda self: self.story.unpaid)
    @rule(data=st.data())
    def the_agency_sets_a_request(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(list(self.story.unpaid.values())))
        wanted = data.draw(st.sampled_from(sorted(LEGAL_FOR_THE_AGENCY[request.status])))
        changed = set_status(request, wanted, self.now)
        follow_request(self.story, changed, now=self.now)
        follow_request(self.twin, changed, now=self.now)
        advance_fully(self.story, self.now, self.ids)
        advance_fully(self.twin, self.now, self.twin_ids)
        self._note()

    @precondition(lambda self: self.story.subscription.status is not Status.CANCELED)
    @rule()
    def it_is_canceled(self) -> None:
        cancel(self.story, now=self.now, make_id=self.ids)
        cancel(self.twin, now=self.now, make_id=self.twin_ids)
        self._note()

    @precondition(lambda self: self.story.subscription.status is Status.CANCELED)
    @rule(ms=st.integers(1, 1_000_000))
    def usage_is_told_late(self, ms: int) -> None:
        subscription = self.story.subscription
        assert subscription.canceled_at is not None
        request = supplementary_request(
            account_id="client",
            subscription_id=subscription.id,
            terms=self.terms,
            period=subscription.period,
            canceled_at=subscription.canceled_at,
            billable_ms=self.story.closed[-1].billable_ms + self.late_ms,
            late_ms=ms,
            number=len(self.supplements) + 1,
            at=self.now,
            make_id=self.ids,
        )
        self.late_ms += ms
        self.supplements += [] if request is None else [request]

    @precondition(lambda self: self.story.subscription.status is Status.CANCELED)
    @rule(plan=plans)
    def it_is_started_again(self, plan: dict[str, Any]) -> None:
        self._start(plan)

    @invariant()
    def late_ticks_tell_the_same_story(self) -> None:
        assert self.story == self.twin

    @invariant()
    def no_other_transition_than_the_legal_ones(self) -> None:
        assert all((a.value, b.value) in LEGAL for a, b in pairwise(self.statuses)), self.statuses

    @invariant()
    def periods_tile_time(self) -> None:
        opened = self.story.opened
        assert opened[0].start == self.story.subscription.started_at
        assert all(a.end == b.start for a, b in pairwise(opened))
        assert [period.number for period in opened] == list(range(1, len(opened) + 1))
        assert [closed.number for closed in self.story.closed] == list(range(1, len(self.story.closed) + 1))
        is_over = self.story.subscription.status is Status.CANCELED
        assert len(opened) - len(self.story.closed) == (0 if is_over else 1)

    @invariant()
    def each_period_has_its_requests_exactly_once(self) -> None:
        made = [(request.period_number, request.kind) for request in self.story.created.values()]
        assert len(made) == len(set(made))
        wanted = {(p.number, "recurring") for p in self.story.opened if self.terms.recurring_fee_cents}
        rate = self.terms.rate_micros_per_minute
        wanted |= {(c.number, "usage") for c in self.story.closed if c.billable_ms * (rate or 0) >= 300_000_000}
        assert set(made) == wanted

    @invariant()
    def each_closed_period_asks_for_its_time_rounded_once_however_late_it_is_told(self) -> None:
        made = [*self.story.created.values(), *self.supplements]
        for closed in self.story.closed:
            asked = sum(r.amount_cents for r in made if (r.period_number, r.kind) == (closed.number, "usage"))
            late_ms = self.late_ms if closed is self.story.closed[-1] else 0
            assert asked == usage_cents(closed.billable_ms + late_ms, self.terms.rate_micros_per_minute)

    @invariant()
    def a_renewing_subscription_is_in_the_present(self) -> None:
        if self.story.subscription.status in (Status.ACTIVE, Status.PAST_DUE):
            assert self.story.subscription.period.start <= self.now < self.story.subscription.period.end

    @invariant()
    def the_status_follows_from_the_clock_and_the_requests(self) -> None:
        arrears = [r for r in self.story.unpaid.values() if r.status is RequestStatus.OVERDUE or r.due_at <= self.now]
        status = self.story.subscription.status
        if status is Status.ACTIVE:
            # A request due in the very instant of the start is overdue with the next tick.
            assert all(r.due_at == self.now == r.created_at for r in arrears)
        if status is Status.PAST_DUE:
            assert arrears or any(r.status is RequestStatus.FAILED for r in self.story.unpaid.values())
            assert all(r.grace_until is not None and r.grace_until > self.now for r in arrears)


SubscriptionLives.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_the_lifecycle_holds_in_any_order = SubscriptionLives.TestCase
