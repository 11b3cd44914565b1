"""Money as the demo reads and prints it: micros inside, "$0.36" outside. Its own, because a platform has no ours."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

MICROS_PER_USD: Final = 1_000_000
MINUS: Final = "−"
TIMES: Final = "×"
SECONDS_PER_MINUTE: Final = 60
UNNAMED: Final = ("sms", "chat", "number")
"""Items that come alone: their unit says what they are."""
PERIODS: Final = {"30d": "30 days", "month": "1 month"}


def micros(usd: str) -> int:
    """Whole micros of a decimal string: "0.36" → 360_000. Raises ValueError when it is not whole."""
    exact = Decimal(usd) * MICROS_PER_USD
    if exact != int(exact):
        raise ValueError(f"{usd} is finer than a micro")
    return int(exact)


def dollars(amount_micros: int, *, signed: bool = False) -> str:
    """ "$0.36", with as many decimals as it takes, at least two."""
    whole, rest = divmod(abs(amount_micros), MICROS_PER_USD)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    sign = MINUS if amount_micros < 0 else "+" if signed else ""
    return f"{sign}${whole}.{decimals}"


def dollars_of_cents(cents: int) -> str:
    return dollars(cents * 10_000)


def price(usd: str) -> str:
    return dollars(micros(usd))


def cost_micros(component: Mapping[str, Any]) -> int:
    """What a component of a transaction must come to: billed × price, to the micro, half up."""
    exact = Decimal(component["billed"]) * Decimal(component["price_usd"]) * MICROS_PER_USD
    if component["unit"] == "second" and component["per"] == "minute":
        exact /= SECONDS_PER_MINUTE
    return int(exact + Decimal("0.5"))


def explained(components: Sequence[Mapping[str, Any]]) -> str:
    """ "2 minutes × ($0.10 voice + $0.08 telephony) = $0.36"."""
    total = sum(micros(component["amount_usd"]) for component in components)
    parts = [_product(quantity, list(group)) for quantity, group in groupby(components, key=lambda one: _quantity(one))]
    return f"{' + '.join(parts)} = {dollars(total)}" if parts else "nothing to pay"


def _product(quantity: str, components: Sequence[Mapping[str, Any]]) -> str:
    if len(components) == 1 and components[0]["item"] in UNNAMED:
        return f"{quantity} {TIMES} {price(components[0]['price_usd'])}"
    prices = [f"{price(component['price_usd'])} {component['item']}" for component in components]
    return f"{quantity} {TIMES} {prices[0]}" if len(prices) == 1 else f"{quantity} {TIMES} ({' + '.join(prices)})"


def _quantity(component: Mapping[str, Any]) -> str:
    if component["item"] == "number":
        return PERIODS[component["per"]]
    return counted(component["billed"], component["unit"])


def counted(count: int, noun: str) -> str:
    """ "1 minute", "2 minutes"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


POOLS: Final = {"included": "of the included minutes", "wallet": "of the minute wallet", "billable": "billable"}


def minutes_explained(pools_ms: Mapping[str, int]) -> str:
    """ "2:00 of the included minutes + 3:00 of the minute wallet"."""
    return " + ".join(f"{clock(pools_ms[pool] // 1_000)} {name}" for pool, name in POOLS.items() if pools_ms.get(pool))


def clock(seconds: int) -> str:
    """Talk time as a phone shows it: 103 → "1:43"."""
    return f"{seconds // 60}:{seconds % 60:02d}"
