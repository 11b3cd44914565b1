"""A priced component in words: "telephony 2 minutes × $0.08 = $0.16"."""

from collections.abc import Mapping, Sequence
from typing import Any

PER = {"minute": "a minute", "segment": "a segment", "message": "a message", "30d": "30 days", "month": "a month"}


def component_in_words(component: Mapping[str, Any]) -> str:
    """From its JSON (contract §4: item, billed, unit, price_usd, per, amount_usd and what explains them)."""
    words = f"{component['item']} {_amounts(component)}"
    if "setup_usd" in component:
        words += f" + ${component['setup_usd']} set-up"
    if component.get("capped"):
        words += ", capped"
    return f"{words} = ${component['amount_usd']}"


def components_in_words(components: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(map(component_in_words, components))


def _amounts(component: Mapping[str, Any]) -> str:
    parts = component.get("parts")
    if parts:
        return " + ".join(f"{part['seconds']} seconds × ${part['price_usd']} a minute" for part in parts)
    unit, per, billed = component["unit"], component["per"], component["billed"]
    if unit in PER or unit == "second":
        quantity = f"{billed} {PERIODS.get(unit, unit)}{'' if billed == 1 else 's'}"
    else:
        quantity = unit
    price = f"${component['price_usd']}"
    return f"{quantity} × {price}" if unit == per else f"{quantity} × {price} {PER.get(per, per)}"


PERIODS = {"30d": "period of 30 day", "month": "month"}
