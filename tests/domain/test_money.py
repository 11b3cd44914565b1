"""Money conventions of contract §0."""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import money

micros = st.integers(-(10**18), 10**18)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("0.0075", 7_500), ("0.08", 80_000), ("2.50", 2_500_000), ("0.000001", 1), ("1000000", 10**12)],
)
def test_a_price_text_is_exact_micros(text: str, expected: int) -> None:
    """Prices are decimal strings ("0.0075", ≤ 6 decimals, ≥ 0)."""
    assert money.micros_of_price(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-1", "+1", "-0", "1_000", "1,5", "1e3", "1E3", "0x1", ".5", "5.", "0.0000001", "NaN", "Infinity",
        "1e400", "٣", "１", "0.٣", "²", "1 ", " 1", "1\n", "\x001", "1.2.3", "1000000.000001", "9" * 5_000,
        "0." + "0" * 5_000,
    ],
)  # fmt: skip
def test_what_is_not_a_price_is_refused(text: str) -> None:
    """NaN, exponents, signs, separators, other scripts' digits, absurd sizes (failure-modes, hostile input)."""
    with pytest.raises(ValueError, match="a price is"):
        money.micros_of_price(text)


@pytest.mark.parametrize("value", [True, 1, 0.1, None, b"1", ["1"]])
def test_a_price_is_a_text_and_nothing_else(value: object) -> None:
    with pytest.raises(money.PriceTextError):
        money.micros_of_price(value)  # type: ignore[arg-type]


@given(st.integers(0, money.PRICE_MICROS_MAX))
def test_every_price_reads_back_what_was_written(price: int) -> None:
    assert money.micros_of_price(money.usd_exact(price)) == price
    assert money.micros_of_price(money.six_decimals(price)) == price


@given(micros)
def test_floor_and_ceil_enclose_the_amount_within_a_cent(amount: int) -> None:
    """Balance and available are floored to cents, held and required rounded up."""
    low, high = money.cents_floor(amount), money.cents_ceil(amount)
    assert low * 10_000 <= amount <= high * 10_000
    assert high - low == (amount % 10_000 != 0)


def test_a_negative_balance_is_floored_away_from_zero() -> None:
    assert money.cents_floor(-1) == -1
    assert money.cents_ceil(-1) == 0


@pytest.mark.parametrize(("cents", "text"), [(-16, "-0.16"), (0, "0.00"), (5, "0.05"), (123_456, "1234.56")])
def test_dollars_have_two_decimals(cents: int, text: str) -> None:
    """`*_usd` (string, two decimals, "-0.16")."""
    assert money.usd_text(cents) == text


@given(micros)
def test_decimal_texts_are_exact(amount: int) -> None:
    exact = Decimal(amount).scaleb(-6)
    assert Decimal(money.six_decimals(amount)) == exact == Decimal(money.usd_exact(amount))
    assert Decimal(money.usd_text(amount)) == Decimal(amount).scaleb(-2)
    assert len(money.six_decimals(amount).partition(".")[2]) == 6


@pytest.mark.parametrize(
    ("amount", "text"), [(0, "0.00"), (160_000, "0.16"), (7_500, "0.0075"), (-1, "-0.000001"), (3_000_000, "3.00")]
)
def test_exact_dollars_are_trimmed_to_at_least_two_decimals(amount: int, text: str) -> None:
    assert money.usd_exact(amount) == text


@given(st.integers(-money.NUMBER_EXACT_MICROS_MAX, money.NUMBER_EXACT_MICROS_MAX))
def test_a_json_number_of_dollars_reads_back_exactly(amount: int) -> None:
    """In the wallet API and in refusals a JSON number, up to six decimals."""
    assert Decimal(orjson.dumps(money.usd_number(amount)).decode()) == Decimal(amount).scaleb(-6)


def test_a_json_number_looks_as_people_write_it() -> None:
    assert orjson.dumps([money.usd_number(200_000), money.usd_number(47_230_000)]) == b"[0.2,47.23]"
