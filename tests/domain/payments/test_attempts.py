"""The states of a charge under facts in any order (payments.md §4.2)."""

from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.attempts import IN_FLIGHT, Kind, State, counts_as_decline, may_resend, state_after

STATUSES = st.sampled_from(
    [
        "succeeded",
        "requires_action",
        "processing",
        "requires_payment_method",
        "requires_confirmation",
        "canceled",
        "a_status_of_next_year",
    ]
)
STATES = st.sampled_from(list(State))


@given(STATES, st.lists(STATUSES, max_size=12))
def test_success_is_absorbing(start: State, told: list[str]) -> None:
    state = start
    was_success = start is State.SUCCEEDED
    for status in told:
        state = state_after(state, status)
        was_success = was_success or status == "succeeded"
    assert (state is State.SUCCEEDED) == was_success


@given(st.lists(STATUSES, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_decide_whether_it_succeeded(told: list[str], random: object) -> None:
    shuffled = list(told)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def end(statuses: list[str]) -> bool:
        state = State.SUBMITTING
        for status in statuses:
            state = state_after(state, status)
        return state is State.SUCCEEDED

    assert end(told) == end(shuffled)


@given(STATES, STATUSES)
def test_nothing_that_ended_goes_in_flight_again(state: State, status: str) -> None:
    if state not in IN_FLIGHT and state is not State.REQUIRES_ACTION:
        assert state_after(state, status) not in IN_FLIGHT


@given(STATES)
def test_an_unheard_of_status_is_never_taken_for_an_answer(state: State) -> None:
    after = state_after(state, "a_status_of_next_year")
    assert after in (state, State.UNKNOWN)


def test_a_late_success_of_a_declined_or_canceled_payment_is_still_a_success() -> None:
    for state in (State.FAILED, State.CANCELED, State.ERROR):
        assert state_after(state, "succeeded") is State.SUCCEEDED


def test_a_decline_is_counted_once_and_only_against_the_default_card() -> None:
    counted = counts_as_decline(Kind.AUTO_RELOAD, State.SUBMITTING, State.FAILED, card_is_default=True)
    again = counts_as_decline(Kind.AUTO_RELOAD, State.FAILED, State.FAILED, card_is_default=True)
    old_card = counts_as_decline(Kind.AUTO_RELOAD, State.SUBMITTING, State.FAILED, card_is_default=False)
    by_hand = counts_as_decline(Kind.TOPUP, State.SUBMITTING, State.FAILED, card_is_default=True)
    assert (counted, again, old_card, by_hand) == (True, False, False, False)


def test_a_key_is_not_sent_again_once_the_provider_may_have_forgotten_it() -> None:
    """payments.md §3: "re-send only for 23 h, later only look up"."""
    life = 23 * 3600
    assert may_resend(sends=0, age_seconds=10 * life, key_life_seconds=life)
    assert may_resend(sends=3, age_seconds=life - 1, key_life_seconds=life)
    assert not may_resend(sends=1, age_seconds=life, key_life_seconds=life)
    assert not may_resend(sends=1, age_seconds=0, key_life_seconds=0)
