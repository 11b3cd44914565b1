"""The sentence a transaction carries, e.g. "Call billing: 2 minutes × $0.08" (× is U+00D7; contract §4)."""

from typing import Final

from shared.money import usd_exact
from shared.rating.cost import Rated
from shared.rating.meter import Component

_TIMES: Final = "\u00d7"
_PERIODS: Final = {"30d": "30 days", "month": "month"}


def describe_call(rated: Rated) -> str:
    """Minutes of the first component (seconds, increment not 60) × the sum of per-minute prices."""
    if not rated.components:
        return "Call billing: 0 minutes"
    first = rated.components[0]
    price = sum(component.price_micros for component in rated.components)
    return f"Call billing: {_quantity(first)} {_TIMES} ${usd_exact(price)}"


def describe_sms(rated: Rated) -> str:
    """ "SMS billing: 2 segments × $0.01"."""
    return _units("SMS billing", "segment", rated)


def describe_chat(rated: Rated) -> str:
    """ "Chat billing: 1 message × $0.01"."""
    return _units("Chat billing", "message", rated)


def describe_number_fee(rated: Rated, number: str) -> str:
    """ "Number fee: +4930123456, 30 days × $2.50"."""
    if not rated.components:
        return f"Number fee: {number}"
    fee = rated.components[0]
    return f"Number fee: {number}, {_PERIODS[fee.per]} {_TIMES} ${usd_exact(fee.price_micros)}"


def _units(title: str, unit: str, rated: Rated) -> str:
    if not rated.components:
        return f"{title}: 0 {unit}s"
    component = rated.components[0]
    return f"{title}: {_quantity(component)} {_TIMES} ${usd_exact(component.price_micros)}"


def _quantity(component: Component) -> str:
    plural = "" if component.billed == 1 else "s"
    return f"{component.billed} {component.unit}{plural}"
