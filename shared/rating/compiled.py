"""A price book ready for use: integers instead of texts, zones by prefix, items by their keys. Immutable in
effect.

`compile_book(book)` once per version; `book.with_overrides(overrides)` once per account and version of its
overrides (the zone index is shared). Keep the result as long as both versions hold: it caches what it was
asked.
"""

import re
from dataclasses import dataclass
from typing import Final

from shared.money import MICROS_PER_CENT, micros_of_price
from shared.rating.hours import Window
from shared.rating.items import Book, Item, Overrides

_NOT_DIGITS: Final = re.compile(r"[^0-9]+")
CACHE_ENTRIES_MAX: Final = 10_000

Keys = tuple[str | None, str | None, str | None]
"""zone, tier, direction; None = not named."""


@dataclass(frozen=True, slots=True)
class PriceStep:
    """From `from_seconds` after answer: micros per minute, billed by whole increments."""

    from_seconds: int
    price_micros: int
    increment_seconds: int


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """One item in integers, compared by identity (it is a cache key). `price_micros` is per `per`;
    `unit_micros` is what the amount is rounded to.
    """

    item: str
    keys: Keys
    window: Window | None
    price_micros: int
    per: str
    steps: tuple[PriceStep, ...]
    minimum_seconds: int
    free_seconds: int
    setup_micros: int
    max_micros: int | None
    unit_micros: int

    @property
    def precedence(self) -> tuple[int, bool, bool, bool, bool]:
        """Greater wins: most keys, then zone > tier > direction > hours (contract §4)."""
        zone, tier, direction = (key is not None for key in self.keys)
        hours = self.window is not None
        return (zone + tier + direction + hours, zone, tier, direction, hours)


class ZoneIndex:
    """Longest-prefix lookup of a number, in at most as many dict look-ups as there are prefix lengths."""

    def __init__(self, zones: dict[str, list[str]]) -> None:
        self._zone_of_prefix = {prefix: name for name, prefixes in zones.items() for prefix in prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._zone_of_prefix}, reverse=True)

    def zone_of(self, number: str) -> str | None:
        """The zone whose prefix is the longest that begins the number's digits; None when there is none."""
        if not self._lengths:
            return None
        digits = _NOT_DIGITS.sub("", number)
        for length in self._lengths:
            zone = self._zone_of_prefix.get(digits[:length])
            if zone is not None:
                return zone
        return None


PriceIndex = dict[str, dict[Keys, tuple[Price, ...]]]


class CompiledBook:
    """Zones, book items, and one account's overrides. Use through `match`, `cost` and `grant`."""

    def __init__(self, zones: ZoneIndex, prices: PriceIndex, overrides: PriceIndex) -> None:
        self._zones = zones
        self.prices = prices
        self.overrides = overrides
        self.cache: dict[object, object] = {}

    def zone_of(self, number: str | None) -> str | None:
        """The zone of a number; None without a number."""
        return None if number is None else self._zones.zone_of(number)

    def names(self, item: str) -> bool:
        """Whether the book itself (not an override) prices this component anywhere."""
        return item in self.prices

    def with_overrides(self, overrides: Overrides) -> "CompiledBook":
        """The same book as one account sees it."""
        return CompiledBook(self._zones, self.prices, _index(overrides.items))

    def remember(self, key: object, value: object) -> None:
        """Cache a derived value; the cache is dropped whole when full, so it stays bounded."""
        if len(self.cache) >= CACHE_ENTRIES_MAX:
            self.cache.clear()
        self.cache[key] = value


def compile_book(book: Book, overrides: Overrides | None = None) -> CompiledBook:
    """A validated book (and overrides) → its usable form."""
    return CompiledBook(ZoneIndex(book.zones), _index(book.items), _index(overrides.items if overrides else []))


def _index(items: list[Item]) -> PriceIndex:
    found: dict[str, dict[Keys, list[Price]]] = {}
    for item in items:
        price = _compile(item)
        found.setdefault(price.item, {}).setdefault(price.keys, []).append(price)
    return {kind: {keys: tuple(prices) for keys, prices in by.items()} for kind, by in found.items()}


def _compile(item: Item) -> Price:
    price_micros = micros_of_price(item.price_usd)
    return Price(
        item=item.item,
        keys=(item.zone, item.tier, item.direction),
        window=item.hours.window() if item.hours else None,
        price_micros=price_micros,
        per=item.per,
        steps=(
            PriceStep(0, price_micros, item.increment_seconds),
            *(
                PriceStep(step.from_seconds, micros_of_price(step.price_usd), step.increment_seconds)
                for step in item.steps or ()
            ),
        ),
        minimum_seconds=item.minimum_seconds or 0,
        free_seconds=item.free_seconds or 0,
        setup_micros=micros_of_price(item.setup_usd) if item.setup_usd is not None else 0,
        max_micros=micros_of_price(item.max_usd) if item.max_usd is not None else None,
        unit_micros=MICROS_PER_CENT if item.round_to_cents else 1,
    )
