"""SMS segments: "counted GSM-7 160/153, UCS-2 70/67" (contract §2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rating.segments import GSM7_BASIC, GSM7_EXTENSION, is_gsm7, segment_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 151, 2),  # the pair is not split: it moves to the second part …
        ("a" * 152 + "€" + "a" * 152, 3),  # … so 306 septets no longer fit in two
        ("€" * 153, 3),  # 76 pairs a part
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),  # 33 pairs a part
        ("a" * 69 + "я", 1),
        ("a" * 70 + "я", 2),
        ("`" * 71, 2),  # not in the GSM alphabet
        ("\ud800" * 70, 1),
    ],
)
def test_segments_are_counted_as_gateways_do(text: str, count: int) -> None:
    assert segment_count(text) == count


def test_the_alphabet_has_127_characters_and_ten_extensions() -> None:
    assert (len(GSM7_BASIC), len(GSM7_EXTENSION)) == (127, 10)
    assert not GSM7_BASIC & GSM7_EXTENSION


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_longer_text_never_takes_fewer_segments_and_never_more_than_its_halves(first: str, second: str) -> None:
    whole = segment_count(first + second)
    assert whole >= segment_count(first)
    if is_gsm7(first) == is_gsm7(second) and first and second:
        assert whole <= segment_count(first) + segment_count(second) + 1


@given(st.text(max_size=400))
def test_parts_hold_the_text(text: str) -> None:
    units = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if not is_gsm7(text):
        least = 1 if units <= 70 else -(-units // 67)
        assert least <= segment_count(text) <= max(1, -(-units // 66))
