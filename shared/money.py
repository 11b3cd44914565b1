"""Money in integers: micros (1e-6 dollar) inside, cents and decimal text outside. No I/O, no Decimal.

Rounding directions come from contract §0: balance and available are floored to cents, held and required are
rounded up. Nothing here rounds half-up; that happens once per rated component, in `shared.rating`.
"""

import re
from typing import Final

MICROS_PER_USD: Final = 1_000_000
MICROS_PER_CENT: Final = 10_000
PRICE_MICROS_MAX: Final = 1_000_000 * MICROS_PER_USD
"""No price is above one million dollars: a typing error, not a tariff; and a call can't overflow a bigint."""

NUMBER_EXACT_MICROS_MAX: Final = 2**33 * MICROS_PER_USD
"""Up to here two neighbouring micros are two different doubles, so `usd_number` is exact as text."""

_PRICE: Final = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,6}))?")


class PriceTextError(ValueError):
    """The text is not a price of contract §0: a decimal string, at least 0, at most six decimals."""


def micros_of_price(text: str) -> int:
    """Micros of a published price: "0.0075" → 7500. Exact.

    Plain ASCII digits with an optional point between digits; no sign, exponent, space, separator or other
    script. Raises PriceTextError for everything else, also above PRICE_MICROS_MAX.
    """
    if not isinstance(text, str):
        raise PriceTextError('a price is a decimal string, for example "0.0075"')
    match = _PRICE.fullmatch(text)
    if match is None:
        raise PriceTextError('a price is a decimal string such as "0.0075": at least 0, at most 6 decimals')
    micros = int(match[1]) * MICROS_PER_USD + int((match[2] or "").ljust(6, "0"))
    if micros > PRICE_MICROS_MAX:
        raise PriceTextError("a price is at most 1000000")
    return micros


def cents_floor(micros: int) -> int:
    """Whole cents not above the amount (towards minus infinity): how a balance is shown."""
    return micros // MICROS_PER_CENT


def cents_ceil(micros: int) -> int:
    """Whole cents not below the amount: how held and required money is shown."""
    return -(-micros // MICROS_PER_CENT)


def usd_text(cents: int) -> str:
    """Dollars with two decimals: -16 → "-0.16"."""
    dollars, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{dollars}.{rest:02d}"


def six_decimals(micros: int) -> str:
    """Dollars with exactly six decimals, for CSV: -160000 → "-0.160000"."""
    dollars, rest = divmod(abs(micros), MICROS_PER_USD)
    return f"{'-' if micros < 0 else ''}{dollars}.{rest:06d}"


def usd_exact(micros: int) -> str:
    """Exact dollars, trailing zeros trimmed down to two decimals: 160000 → "0.16", 7500 → "0.0075", 0 →
    "0.00".
    """
    text = six_decimals(micros)
    return text[:-4] + text[-4:].rstrip("0")


def usd_number(micros: int) -> float:
    """Dollars as a JSON number with up to six decimals (wallet API and refusals): 200000 → 0.2.

    The only float made of money: int / int is correctly rounded, so the shortest text of the double is the
    exact decimal as long as |micros| ≤ NUMBER_EXACT_MICROS_MAX; above that it is the nearest double. Never
    compute with it.
    """
    return micros / MICROS_PER_USD
