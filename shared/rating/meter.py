"""What n seconds cost under one component: increments, steps, hours, free, minimum, set-up, maximum, one
rounding.

How the sentences of contract §4 meet, in the order they apply to n > 0 seconds (0 seconds cost nothing at
all):
1. The grid: the first increment begins at answer (0 s); each next begins where the last ends. An increment
   has the length and price of the step and the hours window in which it *begins*, and is billed whole, even
   across an edge.
2. Free: an increment that begins within the first `free_seconds` costs nothing; all others cost in full. So
   free seconds that are no multiple of the increment are rounded up to whole increments, in the customer's
   favour: nobody is ever charged for one of the free seconds. Up to the end of the free part only the
   set-up fee is due.
3. Minimum: once n passes the free part, at least `minimum_seconds` after it are billed (in whole
   increments, priced by the steps and windows they would have begun in). A call that stays within its free
   seconds has no minimum.
4. Set-up is added once; `max_usd` then caps the sum, set-up included.
5. One rounding, half-up, to the micro or the cent; if the maximum is no whole cent it is floored, never
   exceeded.

When hours change the item in mid-call, increments and prices are the new item's; free, minimum, set-up,
maximum and rounding stay those of the item in force at answer. Steps are always counted from answer.

The cost never falls when n grows: the billed end never falls with n, each increment adds ≥ 0, and cap and
rounding keep order. `grant` relies on it.
"""

from bisect import bisect_left
from typing import Final, NamedTuple

from shared.rating.compiled import Price
from shared.rating.match import Stretch

_MINUTE: Final = 60
_UNCAPPED: Final = 1 << 100


class Part(NamedTuple):
    """So many whole increments at one price."""

    seconds: int
    price_micros: int
    increment_seconds: int


class Component(NamedTuple):
    """One billed component. `billed` counts `unit`; `price_micros` is per `per`; `amount_micros` is rounded.

    `parts` is empty unless several prices or increments were used; `setup_micros` is included in the amount.
    """

    item: str
    billed: int
    unit: str
    price_micros: int
    per: str
    amount_micros: int
    increment_seconds: int = 0
    setup_micros: int = 0
    parts: tuple[Part, ...] = ()


class _Leg(NamedTuple):
    """Increments of one length and price, from the second at which the first of them begins."""

    begin: int
    increment: int
    price_micros: int
    cost_before: int
    """Micros × 60 of all increments before this leg."""


class Meter:
    """One component of one call, compiled; `micros(n)` and `component(n)` for any n ≥ 0. Immutable."""

    __slots__ = (
        "_begins",
        "_cap",
        "_cap_micros",
        "_den",
        "_free_end",
        "_legs",
        "_minimum",
        "_setup",
        "plain",
        "price",
    )

    def __init__(self, found: tuple[Stretch, ...]) -> None:
        price = found[0].price
        self.price: Price = price
        self._legs = _legs(found, price.free_seconds)
        self._begins = [leg.begin for leg in self._legs]
        self._free_end = next(leg.begin for leg in self._legs if leg.begin >= price.free_seconds)
        self._minimum = self._free_end + price.minimum_seconds
        self._setup = price.setup_micros * _MINUTE
        self._den = _MINUTE * price.unit_micros
        cap = price.max_micros
        self._cap = _UNCAPPED if cap is None else cap * _MINUTE
        self._cap_micros = _UNCAPPED if cap is None else cap - cap % price.unit_micros
        self.plain = len(self._legs) == 1

    @property
    def grain(self) -> int:
        """The cost changes only one second after a multiple of this (1 when increments differ)."""
        return self._legs[0].increment if self.plain else 1

    def micros(self, seconds: int) -> int:
        """Rounded micros of n seconds; never falls when n grows."""
        if seconds <= 0:
            return 0
        exact = self._setup
        if seconds > self._free_end:
            exact += self._exact(max(seconds, self._minimum))
        exact = min(exact, self._cap)
        den = self._den
        rounded = (exact + den // 2) // den * self.price.unit_micros
        return min(rounded, self._cap_micros)

    def _exact(self, end: int) -> int:
        """Micros × 60 of every increment that begins before `end` (> 0)."""
        leg = self._legs[bisect_left(self._begins, end) - 1]
        count = -(-(end - leg.begin) // leg.increment)
        return leg.cost_before + count * leg.increment * leg.price_micros

    def component(self, seconds: int) -> Component:
        """The same as `micros`, with what a bill shows; n > 0."""
        assert seconds > 0
        price = self.price
        parts = self._parts(max(seconds, self._minimum)) if seconds > self._free_end else ()
        billed = sum(part.seconds for part in parts)
        first = parts[0] if parts else Part(0, price.price_micros, self._legs[0].increment)
        by_minute = all(part.increment_seconds == _MINUTE for part in (first, *parts))
        return Component(
            item=price.item,
            billed=billed // _MINUTE if by_minute else billed,
            unit="minute" if by_minute else "second",
            price_micros=first.price_micros,
            per=price.per,
            amount_micros=self.micros(seconds),
            increment_seconds=first.increment_seconds,
            setup_micros=price.setup_micros,
            parts=parts if len(parts) > 1 else (),
        )

    def _parts(self, end: int) -> tuple[Part, ...]:
        """What is billed up to `end`, neighbours of one price and increment joined."""
        parts: list[Part] = []
        for index, leg in enumerate(self._legs):
            if leg.begin >= end:
                break
            if leg.begin < self._free_end:
                continue
            stop = min(end, self._begins[index + 1]) if index + 1 < len(self._legs) else end
            seconds = -(-(stop - leg.begin) // leg.increment) * leg.increment
            part = Part(seconds, leg.price_micros, leg.increment)
            if parts and parts[-1][1:] == part[1:]:
                part = part._replace(seconds=parts.pop().seconds + seconds)
            parts.append(part)
        return tuple(parts)


def _legs(found: tuple[Stretch, ...], free_seconds: int) -> tuple[_Leg, ...]:
    """Walk the grid over every edge (window, step, end of the free part); a leg jumped over whole is left
    out.
    """
    edges = sorted({0, free_seconds, *_step_edges(found)})
    legs: list[_Leg] = []
    begin = cost = 0
    for following in (*edges[1:], None):
        if following is not None and begin >= following:
            continue
        price_micros, increment = _price_from(found, begin, free_seconds)
        legs.append(_Leg(begin, increment, price_micros, cost))
        if following is not None:
            count = -(-(following - begin) // increment)
            begin += count * increment
            cost += count * increment * price_micros
    return tuple(legs)


def _step_edges(found: tuple[Stretch, ...]) -> list[int]:
    return [stretch.from_seconds for stretch in found] + [
        step.from_seconds for stretch in found for step in stretch.price.steps
    ]


def _price_from(found: tuple[Stretch, ...], second: int, free_seconds: int) -> tuple[int, int]:
    """Micros per minute and length of an increment that begins at this second."""
    price = next(stretch.price for stretch in reversed(found) if stretch.from_seconds <= second)
    step = next(step for step in reversed(price.steps) if step.from_seconds <= second)
    return (0 if second < free_seconds else step.price_micros), step.increment_seconds
