"""The rules of contract §4, written a second time slowly and plainly: fractions, one increment at a time.

Works on the published JSON, knows nothing of `shared.rating`.
"""

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Json = dict[str, Any]


def zone_of(zones: dict[str, list[str]], to: str) -> str | None:
    digits = "".join(char for char in to if char in "0123456789")
    fitting = [(len(prefix), name) for name, all_ in zones.items() for prefix in all_ if digits.startswith(prefix)]
    return max(fitting)[1] if fitting else None


def in_hours(hours: Json, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(hours["timezone"]))
    clock = f"{local:%H:%M}"
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if hours["from"] < hours["to"]:
        return today in hours["days"] and hours["from"] <= clock < hours["to"]
    return (today in hours["days"] and clock >= hours["from"]) or (yesterday in hours["days"] and clock < hours["to"])


def best(items: list[Json], usage: Json, at: datetime) -> Json | None:
    fitting = [
        item
        for item in items
        if all(item.get(key) in (None, usage.get(key)) for key in ("item", "zone", "tier", "direction"))
        and ("hours" not in item or in_hours(item["hours"], at))
    ]
    keys = ("zone", "tier", "direction", "hours")
    return max(fitting, key=lambda i: (sum(k in i for k in keys), *(k in i for k in keys)), default=None)


def component(items: list[Json], overrides: list[Json], usage: Json, at: datetime, talk: int) -> Fraction | None:
    """Dollars before rounding and after the maximum; None when nothing fits."""

    def item_at(second: int) -> Json | None:
        moment = at + timedelta(seconds=second)
        return best(overrides, usage, moment) or best(items, usage, moment)

    opening = current = item_at(0)
    if opening is None or current is None:
        return None
    total = Fraction(opening.get("setup_usd", "0"))
    begin, paid_from = 0, None
    while True:
        current = item_at(begin) or current
        step: Json = current
        for later in current.get("steps", []):
            if later["from_seconds"] <= begin:
                step = later
        if begin >= opening.get("free_seconds", 0) and paid_from is None:
            if talk <= begin:
                break
            paid_from = begin
        end = talk if paid_from is None else max(talk, paid_from + opening.get("minimum_seconds", 0))
        if begin >= end:
            break
        increment = step.get("increment_seconds", 60)
        if paid_from is not None:
            total += Fraction(step["price_usd"]) * increment / 60
        begin += increment
    return min(total, Fraction(opening["max_usd"])) if "max_usd" in opening else total


def rounded_micros(opening: Json, dollars: Fraction) -> int:
    unit = 10_000 if opening.get("round_to_cents") else 1
    rounded = (dollars * 1_000_000 / unit + Fraction(1, 2)).__floor__() * unit
    if "max_usd" in opening:
        rounded = min(rounded, (Fraction(opening["max_usd"]) * 1_000_000 / unit).__floor__() * unit)
    return rounded


def call_micros(book: Json, overrides: list[Json], usage: Json, at: datetime, talk: int, recorded: int) -> int | str:
    """Total micros, or the name of the component that is not priced."""
    if talk == 0:
        return 0
    usage = {**usage, "zone": zone_of(book["zones"], usage["to"])}
    total = 0
    for kind, seconds in (("voice", talk), ("telephony", talk), ("recording", recorded)):
        mine = {**usage, "item": kind}
        if seconds == 0:
            continue
        dollars = component(book["items"], overrides, mine, at, seconds)
        if dollars is None:
            if kind == "voice" or any(item["item"] == kind for item in book["items"]):
                return kind
            continue
        opening = best(overrides, mine, at) or best(book["items"], mine, at)
        assert opening is not None
        total += rounded_micros(opening, dollars)
    return total
