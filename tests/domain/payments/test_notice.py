"""The low-balance notice [S], to the letter (contract §5)."""

from datetime import UTC, datetime, timedelta

from services.payments.domain.notice import notice

THEN = datetime(2026, 3, 1, tzinfo=UTC)
LATER = THEN + timedelta(hours=1)
LOW = 1_999_999


def test_nothing_is_shown_from_two_dollars_on() -> None:
    assert notice(balance_micros=2_000_000, default_since=None, blocked_at=LATER).json() == {
        "show": False,
        "variant": None,
        "message": None,
        "cta": None,
    }


def test_without_a_card_the_notice_asks_for_one() -> None:
    shown = notice(balance_micros=LOW, default_since=None, blocked_at=None).json()
    assert (shown["show"], shown["variant"]) == (True, "no_card")
    assert shown["message"] == "Add a payment method to keep your number active."
    assert shown["cta"]["url"] == "/billing/setup-checkout"


def test_with_a_card_it_needs_a_signal_newer_than_the_card() -> None:
    shown = notice(balance_micros=LOW, default_since=THEN, blocked_at=LATER).json()
    assert (shown["variant"], shown["message"]) == ("charge_failed", "We couldn\u2019t charge your card.")
    assert shown["cta"]["url"] == "/billing"
    assert not notice(balance_micros=LOW, default_since=LATER, blocked_at=THEN).show
    assert not notice(balance_micros=LOW, default_since=THEN, blocked_at=None).show
