"""Which item prices a component: longest-prefix zone, most keys named, ties zone > tier > direction >
hours.

`candidates` lists, best first, the items whose zone, tier and direction fit; hours are judged per moment,
since a call can run from one window into another (`stretches`).

Decisions where the contract is silent:
- A number has one zone, that of its longest prefix. An item for a shorter prefix's zone does not fit it.
- An override that fits beats every book item, however many keys that names, at each moment it fits.
- "The book names" a component when the book itself does: an override for one zone makes no other zone
  unpriced.
- A call that was priced when answered stays priced: in a moment where no item fits, the last one that did
  goes on. (The gate let it start, so refusing to bill its end would only lose money.)
- Two windows in different time zones that tie at a moment are decided by a fixed order, never by their
  position.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product
from typing import Final, NamedTuple

from shared.rating.compiled import CompiledBook, Price, PriceIndex
from shared.rating.hours import SECONDS_PER_DAY, at_epoch_micros, calendar_safe, epoch_micros

_MICROS: Final = 1_000_000
_DAY_MICROS: Final = SECONDS_PER_DAY * _MICROS
HORIZON_DAYS: Final = 4
"""A call, its free and its minimum seconds and its last increment are one day each at most."""


class Stretch(NamedTuple):
    """From this whole second after answer on, this price."""

    from_seconds: int
    price: Price


def candidates(
    book: CompiledBook, item: str, zone: str | None, tier: str | None, direction: str | None
) -> tuple[Price, ...]:
    """Items whose zone, tier and direction fit, best first, up to the first that fits at any hour."""
    found: list[Price] = []
    for index in (book.overrides, book.prices):
        for price in sorted(_fitting(index, item, zone, tier, direction), key=_order):
            found.append(price)
            if price.window is None:
                return tuple(found)
    return tuple(found)


def _fitting(
    index: PriceIndex, item: str, zone: str | None, tier: str | None, direction: str | None
) -> Iterable[Price]:
    by_keys = index.get(item)
    if by_keys is None:
        return
    for keys in product({zone, None}, {tier, None}, {direction, None}):
        yield from by_keys.get(keys, ())


def _order(price: Price) -> tuple[object, ...]:
    window = price.window
    fixed = (window.timezone, window.days, window.from_second, window.to_second) if window else ()
    return (*(-rank for rank in price.precedence), *fixed)


def price_at(found: tuple[Price, ...], at: datetime) -> Price | None:
    """The best candidate at one moment."""
    for price in found:
        if price.window is None or price.window.contains(calendar_safe(at)):
            return price
    return None


def stretches(book: CompiledBook, found: tuple[Price, ...], at: datetime) -> tuple[Stretch, ...]:
    """What prices each second of a call answered `at`: () when nothing fits then; the first stretch begins
    at 0.
    """
    if not found:
        return ()
    if found[0].window is None:
        return (Stretch(0, found[0]),)
    start = epoch_micros(calendar_safe(at))
    moments, prices = _changes_from(book, found, start // _DAY_MICROS)
    now = bisect_right(moments, start) - 1
    opening = prices[now]
    if opening is None:
        return ()
    later = zip(moments[now + 1 :], prices[now + 1 :], strict=True)
    return (
        Stretch(0, opening),
        *(Stretch(-(-(moment - start) // _MICROS), price) for moment, price in later if price is not None),
    )


class _Changes(NamedTuple):
    """When the best candidate changes (epoch micros, rising), and to which."""

    moments: tuple[int, ...]
    prices: tuple[Price | None, ...]


def _changes_from(book: CompiledBook, found: tuple[Price, ...], day: int) -> _Changes:
    """From a UTC day for HORIZON_DAYS; cached per day. The first moment is the start of the day."""
    key = ("changes", found, day)
    cached = book.cache.get(key)
    if cached is None:
        cached = _changes(found, at_epoch_micros(day * _DAY_MICROS))
        book.remember(key, cached)
    assert isinstance(cached, _Changes)
    return cached


def _changes(found: tuple[Price, ...], start: datetime) -> _Changes:
    end = start + timedelta(days=HORIZON_DAYS)
    windows = {price.window for price in found if price.window is not None}
    edges = {edge for window in windows for edge in window.edges_between(start, end)}
    moments: list[int] = []
    prices: list[Price | None] = []
    for moment in (start, *sorted(edge for edge in edges if start < edge < end)):
        price = price_at(found, moment)
        if not moments or price is not prices[-1]:
            moments.append(epoch_micros(moment))
            prices.append(price)
    return _Changes(tuple(moments), tuple(prices))
