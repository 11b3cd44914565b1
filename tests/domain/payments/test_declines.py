"""Decline classes and the back-off (contract §5, Auto-reload)."""

from datetime import UTC, datetime, timedelta

import pytest

from services.payments.domain.declines import DeclineClass, after_decline, classify, shown_decline_code

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "decline_code", "advice", "expected"),
    [
        ("card_declined", "insufficient_funds", None, DeclineClass.SOFT),
        ("card_declined", "generic_decline", "try_again_later", DeclineClass.SOFT),
        ("card_declined", "a_reason_of_next_year", None, DeclineClass.SOFT),
        ("processing_error", None, None, DeclineClass.SOFT),
        ("card_declined", "lost_card", None, DeclineClass.HARD),
        ("card_declined", "stolen_card", None, DeclineClass.HARD),
        ("card_declined", "fraudulent", None, DeclineClass.HARD),
        ("expired_card", None, None, DeclineClass.HARD),
        ("card_declined", "generic_decline", "do_not_try_again", DeclineClass.HARD),
        ("card_declined", "generic_decline", "confirm_card_data", DeclineClass.HARD),
        ("authentication_required", "authentication_required", None, DeclineClass.AUTHENTICATION),
        ("card_declined", "authentication_required", "do_not_try_again", DeclineClass.AUTHENTICATION),
    ],
)
def test_a_decline_is_classified(code: str, decline_code: str | None, advice: str | None, expected: str) -> None:
    assert classify(code=code, decline_code=decline_code, advice_code=advice) is expected


def test_declines_back_off_and_the_fifth_stops() -> None:
    """§5: "declines back off (1 h, 6 h, 24 h, 72 h; the fifth means `stopped` …)"."""
    waits = []
    for declines in range(4):
        after = after_decline(declines_before=declines, kind=DeclineClass.SOFT, now=NOW)
        assert after.next_try_at is not None
        assert after.stopped is None
        waits.append(after.next_try_at - NOW)
    assert waits == [timedelta(hours=hours) for hours in (1, 6, 24, 72)]
    fifth = after_decline(declines_before=4, kind=DeclineClass.SOFT, now=NOW)
    assert (fifth.next_try_at, fifth.stopped) == (None, "declines")


@pytest.mark.parametrize("kind", [DeclineClass.HARD, DeclineClass.AUTHENTICATION])
def test_fm03_hard_declines_and_authentication_stop_at_once(kind: DeclineClass) -> None:
    after = after_decline(declines_before=0, kind=kind, now=NOW)
    assert after.next_try_at is None
    assert after.stopped is not None


def test_a_thief_is_not_told_that_the_card_is_known_as_stolen() -> None:
    assert shown_decline_code("card_declined", "stolen_card") == "generic_decline"
    assert shown_decline_code("card_declined", "insufficient_funds") == "insufficient_funds"
    assert shown_decline_code("expired_card", None) == "expired_card"
