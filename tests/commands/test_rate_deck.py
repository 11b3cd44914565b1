"""Carriers' rate decks: what becomes of a line, and that whatever is wrong is told with its line."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.commands.rate_deck import FAULTS_SHOWN_MAX, DeckRefused, book_from_deck
from shared.rating.book import book_json
from shared.rating.default_book import DEFAULT_BOOK

HEADER = "zone,prefix,item,price\n"


def made_of(text: str, onto: dict[str, Any] = DEFAULT_BOOK) -> dict[str, Any]:
    book, _ = book_from_deck(text, onto)
    return book_json(book)


def faults_of(text: str, onto: dict[str, Any] = DEFAULT_BOOK) -> list[tuple[int, str]]:
    with pytest.raises(DeckRefused) as refused:
        book_from_deck(text, onto)
    return refused.value.faults


def test_a_line_is_a_price_for_a_zone() -> None:
    book = made_of(HEADER + "Germany,49,telephony,0.02\n")
    assert book["zones"] == {"Germany": ["49"]}
    assert book["items"][0] == {
        "item": "telephony",
        "zone": "Germany",
        "price_usd": "0.02",
        "per": "minute",
        "increment_seconds": 60,
    }


def test_items_the_deck_does_not_price_stay_as_they_are() -> None:
    """A deck of telephony rates must not make voice, chat and numbers free."""
    before = {item["item"]: item["price_usd"] for item in DEFAULT_BOOK["items"]}
    after = {item["item"]: item["price_usd"] for item in made_of(HEADER + ",,telephony,0.5\n")["items"]}
    assert after == {**before, "telephony": "0.5"}


def test_prefixes_of_a_zone_may_be_told_one_a_line_or_several_together() -> None:
    one_a_line = made_of(HEADER + "DE,49,sms,0.1\nDE,+4930,sms,0.1\nDE,4940,sms,0.1\n")
    together = made_of(HEADER + "DE,49 4930 4940,sms,0.1\n")
    assert one_a_line == together


def test_a_zone_without_a_name_is_named_by_its_prefix() -> None:
    assert made_of(HEADER + ",44,sms,0.1\n")["zones"] == {"44": ["44"]}


def test_a_zone_without_prefixes_is_the_present_book_s() -> None:
    present = {"zones": {"DE": ["49"]}, "items": []}
    assert made_of(HEADER + "DE,,sms,0.1\n", present)["zones"] == {"DE": ["49"]}


def test_semicolons_tabs_capitals_and_comments_are_understood() -> None:
    for separator in ";\t":
        text = separator.join(("Zone", "Prefix", "ITEM", "Price_USD")) + "\n# rates\n\n"
        text += separator.join(("DE", "49", "SMS", "0.1")) + "\r\n"
        assert made_of(text)["zones"] == {"DE": ["49"]}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("DE,49,sms,0.1.1", "price"),
        ("DE,49,sms,-1", "price"),
        ("DE,49,sms,1e3", "price"),
        ("DE,49,sms,NaN", "price"),
        ("DE,49,sms,1_000", "price"),
        ("DE,49,sms,٤", "price"),
        ("DE,49,sms,0.0000001", "price"),
        ("DE,49,sms,9999999", "price"),
        ("DE,49,sms,", "price"),
        ("DE,49,sms", "price"),
        ("DE,4a,sms,1", "prefix"),
        ("DE,٤٩,sms,1", "prefix"),
        ("DE,1234567890123456,sms,1", "prefix"),
        ("DE,49,fax,1", "item"),
        ("DE,49,,1", "item"),
        ("DE,,sms,1", "no prefix"),
        ("DE,49,sms,1,extra", "cells"),
        ("A\0B,49,sms,1", "zone"),
        ('DE,49,sms,"1', "CSV"),
        ("D" * 65 + ",49,sms,1", "zone"),
        ("x" * 20_000 + ",49,sms,1", "zone"),
        ("x" * 200_000 + ",49,sms,1", "CSV"),
    ],
)
def test_a_bad_line_is_told_with_its_number(line: str, fault: str) -> None:
    ((number, text),) = faults_of(f"{HEADER}FR,33,sms,1\n{line}\n")
    assert number in (3, 0)
    assert fault in text


def test_every_fault_is_told_at_once_in_the_order_of_the_lines() -> None:
    lines = "DE,x,sms,1\nDE,49,fax,1\nDE,49,sms,-1\n"
    assert [number for number, _ in faults_of(HEADER + lines)] == [2, 3, 4]


def test_a_hundred_faults_are_cut_short() -> None:
    assert len(faults_of(HEADER + "DE,x,sms,1\n" * 100)) == FAULTS_SHOWN_MAX


def test_two_prices_for_the_same_are_refused_naming_both_lines() -> None:
    assert faults_of(HEADER + "DE,49,sms,1\nDE,49,sms,2\n") == [(3, "another price for sms for DE than in line 2")]


def test_a_prefix_belongs_to_one_zone() -> None:
    assert faults_of(HEADER + "DE,49,sms,1\nAT,49,sms,2\n") == [(3, "prefix 49 belongs to zone 'DE' since line 2")]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "#\n", HEADER, "\ufeff", "zone,price\nDE,1\n", "item,price,item\n", "a,b\n"]
)
def test_a_file_without_prices_or_names_is_refused(text: str) -> None:
    assert len(faults_of(text)) == 1


@given(st.text(max_size=300) | st.text(alphabet=',;"\n49sme#.01', max_size=300))
def test_whatever_the_file_holds_it_is_a_book_or_a_refusal(text: str) -> None:
    for whole in (text, HEADER + text):
        with suppress(DeckRefused):
            book, _ = book_from_deck(whole, DEFAULT_BOOK)
            assert book.items
