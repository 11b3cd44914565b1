"""Prices worked by hand from contract §4."""

from typing import Any

import pytest

from shared.rating.compiled import CompiledBook
from shared.rating.cost import (
    NotPriced,
    NumberTerms,
    Rated,
    component_json,
    number_fee,
    number_terms,
    rate_call,
    rate_chat,
    rate_sms,
)
from shared.rating.default_book import DEFAULT_BOOK
from shared.rating.describe import describe_call, describe_chat, describe_number_fee, describe_sms
from shared.rating.grant import CallPrice, call_price
from tests.domain.rating.books import NOON, ZONES, compiled, voice, voice_book

Json = dict[str, Any]
DEFAULT = compiled(DEFAULT_BOOK)


def call(book: CompiledBook, talk: int, **more: Any) -> Rated:
    """A rated outbound call at noon to Berlin."""
    usage: Json = {"direction": "outbound", "to": "+4930123", "at": NOON} | more
    found = rate_call(book=book, talk_seconds=talk, **usage)
    assert isinstance(found, Rated)
    return found


def dollars(book: CompiledBook, talk: int, **more: Any) -> float:
    return call(book, talk, **more).total_micros / 1e6


def test_ten_dollars_are_a_hundred_minutes_of_voice_fifty_of_all_three_and_a_thousand_chats() -> None:
    """ "$10 ≈ 100 minutes of voice, 50 of all three, 1,000 chats; buffer ~$0.20" """
    ten = 10_000_000
    assert dollars(compiled({"items": DEFAULT_BOOK["items"][:1]}), 100 * 60) == 10
    price = call_price(book=DEFAULT, direction="outbound", to="+1", at=NOON, recorded=True)
    assert isinstance(price, CallPrice)
    assert price.cost(60) == price.rate_micros_per_minute == 200_000
    assert price.largest_affordable_seconds(available_micros=ten, wanted_seconds=86_400) == 50 * 60
    chats = rate_chat(book=DEFAULT, at=NOON, messages=1_000)
    assert isinstance(chats, Rated)
    assert chats.total_micros == ten


def test_a_recorded_call_is_voice_telephony_and_recording() -> None:
    """ "one transaction whose `metadata.components` lists voice + telephony + recording" """
    rated = call(DEFAULT, 61, recorded_seconds=30)
    shown = [tuple(component_json(component).items()) for component in rated.components]
    keys = ("item", "billed", "unit", "price_usd", "per", "amount_usd")
    assert shown == [
        tuple(zip(keys, values, strict=True))
        for values in (
            ("voice", 2, "minute", "0.10", "minute", "0.20"),
            ("telephony", 2, "minute", "0.08", "minute", "0.16"),
            ("recording", 1, "minute", "0.02", "minute", "0.02"),
        )
    ]
    assert rated.total_micros == 380_000
    assert describe_call(rated) == "Call billing: 2 minutes × $0.20"


@pytest.mark.parametrize(("talk", "text"), [(60, "1 minute"), (61, "2 minutes"), (3_600, "60 minutes")])
def test_a_call_is_described_in_minutes(talk: int, text: str) -> None:
    """ "Call billing: 2 minutes × $0.08" [T]; "1 minute" """
    book = compiled({"items": [voice("0.08")]})
    assert describe_call(call(book, talk)) == f"Call billing: {text} \u00d7 $0.08"


def test_a_call_is_described_in_seconds_when_the_increment_is_not_a_minute() -> None:
    rated = call(voice_book("0.0075", increment_seconds=6), 61)
    assert describe_call(rated) == "Call billing: 66 seconds × $0.0075"
    assert component_json(rated.components[0])["increment_seconds"] == 6


def test_duration_zero_is_free_and_needs_no_price() -> None:
    """ "duration 0 is free" """
    book = voice_book(setup_usd="1", minimum_seconds=60, zone="us")
    assert call(book, 0) == Rated(0, ())
    assert call(DEFAULT, 0, recorded_seconds=5) == Rated(0, ())
    assert describe_call(call(book, 0)) == "Call billing: 0 minutes"


@pytest.mark.parametrize(
    ("rules", "talk", "expected"),
    [
        ({}, 1, 0.06),
        ({}, 60, 0.06),
        ({}, 61, 0.12),
        ({"increment_seconds": 1}, 1, 0.001),
        ({"increment_seconds": 6}, 61, 0.066),
        ({"increment_seconds": 90}, 91, 0.18),
        ({"minimum_seconds": 30, "increment_seconds": 6}, 5, 0.03),
        ({"minimum_seconds": 30, "increment_seconds": 6}, 31, 0.036),
        ({"minimum_seconds": 45}, 5, 0.06),
        ({"setup_usd": "0.05"}, 61, 0.17),
        ({"free_seconds": 60}, 60, 0),
        ({"free_seconds": 60}, 61, 0.06),
        ({"free_seconds": 60, "setup_usd": "0.05"}, 60, 0.05),
        # Free seconds that are no multiple of the increment: the increment that begins in them is free.
        ({"free_seconds": 30}, 60, 0),
        ({"free_seconds": 30}, 61, 0.06),
        ({"free_seconds": 30, "increment_seconds": 1}, 90, 0.06),
        # "then `minimum_seconds` applies": to what follows the free seconds.
        ({"free_seconds": 30, "minimum_seconds": 60, "increment_seconds": 1}, 30, 0),
        ({"free_seconds": 30, "minimum_seconds": 60, "increment_seconds": 1}, 31, 0.06),
        ({"free_seconds": 30, "minimum_seconds": 60, "increment_seconds": 1}, 91, 0.061),
        ({"max_usd": "0.10"}, 600, 0.10),
        ({"max_usd": "0.10", "setup_usd": "0.50"}, 1, 0.10),
        ({"round_to_cents": True, "increment_seconds": 5}, 5, 0.01),
        ({"round_to_cents": True, "increment_seconds": 1}, 4, 0),
        ({"round_to_cents": True, "max_usd": "0.105"}, 600, 0.10),
    ],
)
def test_increments_minimum_free_set_up_and_maximum(rules: Json, talk: int, expected: float) -> None:
    """Six cents a minute; the gate's cost(n) says the same as the bill."""
    book = voice_book("0.06", **rules)
    assert dollars(book, talk) == pytest.approx(expected, abs=1e-9)
    price = call_price(book=book, direction="outbound", to="+4930123", at=NOON, recorded=False)
    assert isinstance(price, CallPrice)
    assert price.cost(talk) == call(book, talk).total_micros


@pytest.mark.parametrize(("price", "micros"), [("0.00003", 1), ("0.000029", 0), ("0.000089", 1), ("0.00009", 2)])
def test_a_component_is_rounded_once_half_up_to_the_micro(price: str, micros: int) -> None:
    """ "A component's exact cost is rounded once, half-up, to the micro" """
    assert call(voice_book(price, increment_seconds=1), 1).total_micros == micros
    assert call(voice_book("0.00001", increment_seconds=1), 3).total_micros == 1, "not per increment"


def test_each_component_is_rounded_by_itself_and_the_total_is_their_sum() -> None:
    items = [{**voice("0.00003", increment_seconds=1), "item": item} for item in ("voice", "telephony")]
    assert call(compiled({"items": items}), 1).total_micros == 2


STEPS = [
    {"from_seconds": 60, "price_usd": "0.03", "per": "minute", "increment_seconds": 6},
    {"from_seconds": 100, "price_usd": "0.006", "per": "minute", "increment_seconds": 30},
]


@pytest.mark.parametrize(
    ("talk", "expected"),
    [(60, 0.06), (61, 0.063), (96, 0.078), (97, 0.081), (102, 0.081), (103, 0.084), (132, 0.084), (133, 0.087)],
)
def test_an_increment_is_priced_by_the_step_in_which_it_begins(talk: int, expected: float) -> None:
    """The increment from 96 s begins in the step before 100 s, and the next begins where it ends, at 102 s."""
    assert dollars(voice_book("0.06", steps=STEPS), talk) == pytest.approx(expected, abs=1e-9)


def test_a_bill_shows_each_price_that_was_used() -> None:
    shown = component_json(call(voice_book("0.06", steps=STEPS, max_usd="0.08"), 103).components[0])
    assert shown == {
        "item": "voice",
        "billed": 132,
        "unit": "second",
        "price_usd": "0.06",
        "per": "minute",
        "amount_usd": "0.08",
        "increment_seconds": 60,
        "capped": True,
        "parts": [
            {"seconds": 60, "price_usd": "0.06", "increment_seconds": 60},
            {"seconds": 42, "price_usd": "0.03", "increment_seconds": 6},
            {"seconds": 30, "price_usd": "0.006", "increment_seconds": 30},
        ],
    }


def test_the_longest_prefix_decides_the_zone_and_punctuation_does_not_count() -> None:
    """ "zone = longest prefix of `to`, digits only" """
    items = [voice("1", zone="us"), voice("2", zone="nyc"), voice("3")]
    book = compiled({"zones": ZONES, "items": items})
    prices = {"+1 (212) 555": 2.0, "1-646-1": 2.0, "+1415": 1.0, "+33": 3.0, "sip:alice": 3.0, "+٤٩": 3.0}
    assert {to: dollars(book, 60, to=to) for to in prices} == prices


def test_most_keys_win_and_ties_go_zone_tier_direction_hours() -> None:
    """ "the one naming most keys wins; ties zone > tier > direction > hours" """
    always = {"days": ["mon-sun"], "from": "00:00", "to": "24:00", "timezone": "UTC"}
    keys: Json = {"zone": "berlin", "tier": "premium", "direction": "outbound", "hours": always}
    named = [
        ["zone", "tier", "direction", "hours"],
        ["zone", "tier", "direction"], ["zone", "tier", "hours"], ["zone", "direction", "hours"],
        ["tier", "direction", "hours"],
        ["zone", "tier"], ["zone", "direction"], ["zone", "hours"], ["tier", "direction"], ["tier", "hours"],
        ["direction", "hours"],
        ["zone"], ["tier"], ["direction"], ["hours"], [],
    ]  # fmt: skip
    items = [voice(f"{rank}", **{key: keys[key] for key in names}) for rank, names in enumerate(named)]
    for rank in range(len(items)):
        book = compiled({"zones": ZONES, "items": items[rank:][::-1]})
        assert dollars(book, 60, tier="premium") == rank


def test_a_named_component_must_match_and_an_unnamed_one_costs_nothing() -> None:
    """ "A component the book names at all must match (recording when recorded) … voice … must always match" """
    recording = {**voice(zone="us"), "item": "recording"}
    book = compiled({"zones": ZONES, "items": [voice("0.06"), recording]})
    assert dollars(book, 60) == 0.06
    usage: Json = {"direction": "outbound", "to": "+49", "at": NOON, "talk_seconds": 60}
    assert rate_call(book=book, recorded_seconds=1, **usage) == NotPriced("recording")
    assert rate_call(book=compiled({"items": []}), **usage) == NotPriced("voice")
    sms = rate_sms(book=compiled({"items": []}), direction="outbound", to="+49", at=NOON, segments=1)
    assert sms == NotPriced("sms")
    assert rate_chat(book=compiled({"items": []}), at=NOON, messages=1) == Rated(0, ())
    assert number_terms(book=compiled({"items": []}), number="+49", at=NOON) is None


def test_an_override_for_one_zone_leaves_other_zones_as_the_book_has_them() -> None:
    raw = {"zones": ZONES, "items": [voice("0.06", zone="de", tier="premium", direction="outbound"), voice("0.05")]}
    own = [voice("0.01", zone="de"), {**voice("0.02", zone="us"), "item": "recording"}]
    book = compiled(raw, own)
    assert dollars(book, 60, to="+4989", tier="premium") == 0.01
    assert dollars(book, 60, to="+33", recorded_seconds=60) == 0.05


def test_messages_are_priced_by_the_unit() -> None:
    sms = {"item": "sms", "per": "segment"}
    items = [{**sms, "price_usd": "0.0075", "direction": "outbound"}, {**sms, "price_usd": "0", "direction": "inbound"}]
    book = compiled({"items": items})
    out = rate_sms(book=book, direction="outbound", to="+49", at=NOON, segments=3)
    assert isinstance(out, Rated)
    assert [component_json(part) for part in out.components] == [
        {"item": "sms", "billed": 3, "unit": "segment", "price_usd": "0.0075", "per": "segment", "amount_usd": "0.0225"}
    ]
    assert describe_sms(out) == "SMS billing: 3 segments × $0.0075"
    received = rate_sms(book=book, direction="inbound", to="+49", at=NOON, segments=3)
    assert isinstance(received, Rated)
    assert received.total_micros == 0
    chat = rate_chat(book=DEFAULT, at=NOON, messages=1)
    assert isinstance(chat, Rated)
    assert describe_chat(chat) == "Chat billing: 1 message × $0.01"


def test_a_number_costs_its_fee_per_period_and_set_up_at_renting() -> None:
    """ "none at renting (that is `setup_usd`)" """
    fee = number_fee(book=DEFAULT, number="+4930", at=NOON)
    assert isinstance(fee, Rated)
    assert fee.total_micros == 2_500_000
    assert describe_number_fee(fee, "+4930") == "Number fee: +4930, 30 days × $2.50"
    item = {"item": "number", "price_usd": "1", "per": "month", "setup_usd": "5", "zone": "de"}
    book = compiled({"zones": ZONES, "items": [item]})
    assert number_terms(book=book, number="+4989", at=NOON) == NumberTerms(5_000_000, 1_000_000, "month")
    assert number_terms(book=book, number="+1", at=NOON) == NotPriced("number")
