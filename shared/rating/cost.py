"""Usage in, price out: `rate_call`, `rate_sms`, `rate_chat`, `number_fee`. Outcomes are values: Rated |
NotPriced.

All functions are pure and keyword-only. `at` is when the usage happened (a call's answered_at, else
started_at); it must be aware. `number` texts may hold anything; only their digits count.

Decisions where the contract is silent:
- Usage of quantity 0 is free and needs no price: an unanswered call to an unpriced destination is no dead
  letter.
- A call of duration 0 is free altogether, whatever `recorded_seconds` says.
- Recording is its own meter of `recorded_seconds` from answer, and may be longer than the talk.
- Zone is that of `to` in both directions; a number fee's zone is that of the number itself; a chat has
  none.
"""

from datetime import datetime
from typing import Final, NamedTuple

from shared.money import usd_exact
from shared.rating.compiled import CompiledBook, Price
from shared.rating.match import Stretch, candidates, price_at, stretches
from shared.rating.meter import Component, Meter


class Rated(NamedTuple):
    """What the usage costs; the total is the sum of the components' rounded amounts."""

    total_micros: int
    components: tuple[Component, ...]


class NotPriced(NamedTuple):
    """The price book names `item` (or must: voice, sms), but nothing fits: `destination_not_priced`."""

    item: str


class NumberTerms(NamedTuple):
    """What a number costs: at renting, and per period ("30d" or "month")."""

    setup_micros: int
    fee_micros: int
    per: str


FREE: Final = Rated(0, ())
_MUST_MATCH: Final = frozenset({"voice", "sms"})


def rate_call(
    *,
    book: CompiledBook,
    direction: str,
    to: str,
    at: datetime,
    talk_seconds: int,
    recorded_seconds: int = 0,
    tier: str | None = None,
) -> Rated | NotPriced:
    """A finished call: voice, telephony and (for recorded seconds) recording, in this order."""
    assert talk_seconds >= 0
    assert recorded_seconds >= 0
    if talk_seconds == 0:
        return FREE
    zone = book.zone_of(to)
    components: list[Component] = []
    for item, seconds in (
        ("voice", talk_seconds),
        ("telephony", talk_seconds),
        ("recording", recorded_seconds),
    ):
        if seconds == 0:
            continue
        meter = call_meter(book, item, zone, tier, direction, at)
        if isinstance(meter, NotPriced):
            return meter
        if meter is not None:
            components.append(meter.component(seconds))
    return _sum(components)


def call_meter(
    book: CompiledBook, item: str, zone: str | None, tier: str | None, direction: str | None, at: datetime
) -> Meter | NotPriced | None:
    """The meter of one component of a call; None when it costs nothing because the book never names it.

    Cached on the book unless hours matter, so the usual call costs one dict look-up.
    """
    key = (item, zone, tier, direction)
    cached = book.cache.get(key)
    if cached is None:
        cached = _compile_meter(book, item, zone, tier, direction)
        book.remember(key, cached)
    if isinstance(cached, Meter | NotPriced):
        return cached
    if isinstance(cached, _ByHours):
        found = stretches(book, cached.found, at)
        return Meter(found) if found else _unfit(book, item)
    return None


def holds_at_any_hour(book: CompiledBook, item: str, zone: str | None, tier: str | None, direction: str | None) -> bool:
    """Whether `call_meter` gives the same at every moment (after it was asked once)."""
    return not isinstance(book.cache.get((item, zone, tier, direction)), _ByHours)


class _ByHours(NamedTuple):
    """These candidates depend on the moment."""

    found: tuple[Price, ...]


_NEVER_NAMED: Final = "never named"


def _compile_meter(
    book: CompiledBook, item: str, zone: str | None, tier: str | None, direction: str | None
) -> "Meter | NotPriced | _ByHours | str":
    found = candidates(book, item, zone, tier, direction)
    if not found:
        return _unfit(book, item) or _NEVER_NAMED
    if found[0].window is None:
        return Meter((Stretch(0, found[0]),))
    return _ByHours(found)


def _unfit(book: CompiledBook, item: str) -> NotPriced | None:
    return NotPriced(item) if item in _MUST_MATCH or book.names(item) else None


def rate_sms(
    *,
    book: CompiledBook,
    direction: str,
    to: str,
    at: datetime,
    segments: int,
    tier: str | None = None,
) -> Rated | NotPriced:
    """A message of so many segments, sent (outbound) or received (inbound)."""
    return _rate_units(book, "sms", segments, at, (book.zone_of(to), tier, direction))


def rate_chat(*, book: CompiledBook, at: datetime, messages: int, tier: str | None = None) -> Rated | NotPriced:
    """So many chat messages."""
    return _rate_units(book, "chat", messages, at, (None, tier, None))


def number_fee(*, book: CompiledBook, number: str, at: datetime) -> Rated | NotPriced:
    """One period's fee of a number, at its mark."""
    return _rate_units(book, "number", 1, at, (book.zone_of(number), None, None))


def number_terms(*, book: CompiledBook, number: str, at: datetime) -> NumberTerms | NotPriced | None:
    """Set-up, fee and period of a number; None when the book never prices numbers."""
    price = price_at(candidates(book, "number", book.zone_of(number), None, None), at)
    if price is None:
        return _unfit(book, "number")
    fee = _capped_and_rounded(price, price.price_micros)
    return NumberTerms(_capped_and_rounded(price, price.setup_micros), fee, price.per)


def _rate_units(
    book: CompiledBook, item: str, count: int, at: datetime, keys: tuple[str | None, str | None, str | None]
) -> Rated | NotPriced:
    assert count >= 0
    if count == 0:
        return FREE
    cache_key = ("units", item, keys)
    found = book.cache.get(cache_key)
    if found is None:
        found = candidates(book, item, *keys)
        book.remember(cache_key, found)
    assert isinstance(found, tuple)
    price = price_at(found, at)
    if price is None:
        return _unfit(book, item) or FREE
    amount = _capped_and_rounded(price, count * price.price_micros)
    return Rated(amount, (Component(item, count, price.per, price.price_micros, price.per, amount),))


def _capped_and_rounded(price: Price, exact_micros: int) -> int:
    """Half-up to the price's unit; never above its maximum (which is floored to the unit)."""
    unit, cap = price.unit_micros, price.max_micros
    rounded = (exact_micros + unit // 2) // unit * unit
    return rounded if cap is None else min(rounded, cap // unit * unit)


def _sum(components: list[Component]) -> Rated:
    total = 0
    for component in components:
        total += component.amount_micros
    return Rated(total, tuple(components))


def components_json(rated: Rated) -> list[dict[str, object]]:
    """All components as `metadata.components` and quotes show them."""
    return [component_json(component) for component in rated.components]


def component_json(component: Component) -> dict[str, object]:
    """A component as contract §4 shows it: item, billed, unit, price_usd, per, amount_usd; more only where
    it explains.

    `increment_seconds` when the unit is seconds, `setup_usd` when there is one, `parts` when several prices
    applied.
    """
    shown: dict[str, object] = {
        "item": component.item,
        "billed": component.billed,
        "unit": component.unit,
        "price_usd": usd_exact(component.price_micros),
        "per": component.per,
        "amount_usd": usd_exact(component.amount_micros),
    }
    if component.unit == "second":
        shown["increment_seconds"] = component.increment_seconds
    if component.setup_micros:
        shown["setup_usd"] = usd_exact(component.setup_micros)
    if component.capped:
        shown["capped"] = True
    if component.parts:
        shown["parts"] = [
            {
                "seconds": part.seconds,
                "price_usd": usd_exact(part.price_micros),
                "increment_seconds": part.increment_seconds,
            }
            for part in component.parts
        ]
    return shown
