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
from collections.abc import Iterator
from math import gcd
from typing import Final, NamedTuple

from shared.rating.compiled import Price
from shared.rating.match import Stretch

_MINUTE: Final = 60
UNCAPPED: Final = 1 << 100


class Part(NamedTuple):
    """So many whole increments at one price."""

    seconds: int
    price_micros: int
    increment_seconds: int


class Component(NamedTuple):
    """One billed component. `billed` counts `unit`; `price_micros` is per `per`; `amount_micros` is rounded.

    `parts` is empty unless several prices or increments were used; `setup_micros` is included in the amount;
    `capped` says that `max_usd` cut it.
    """

    item: str
    billed: int
    unit: str
    price_micros: int
    per: str
    amount_micros: int
    increment_seconds: int = 0
    setup_micros: int = 0
    capped: bool = False
    parts: tuple[Part, ...] = ()


class _Leg(NamedTuple):
    """Increments of one length and price, from the second at which the first of them begins."""

    begin: int
    increment: int
    price_micros: int
    cost_before: int
    """Micros × 60 of all increments before this leg."""


class Flat(NamedTuple):
    """A meter of one price and increment at all times, as numbers for a tight loop (see `Meter.micros`)."""

    increment: int
    per_increment: int
    """Micros × 60 of one increment."""
    minimum: int
    setup: int
    cap: int
    den: int
    unit_micros: int

    @property
    def is_whole(self) -> bool:
        """Whether every amount is a whole count of micros, so that nothing is ever rounded or capped."""
        return self.unit_micros == 1 and self.cap == UNCAPPED and self.per_increment % _MINUTE == 0


class Meter:
    """One component of one call, compiled; `micros(n)` and `component(n)` for any n ≥ 0.

    Immutable to its users; it walks its legs only as far as it was asked.
    """

    __slots__ = (
        "_begins",
        "_coming",
        "_free_end",
        "_legs",
        "_minimum",
        "cap",
        "den",
        "flat",
        "grain",
        "price",
        "setup",
    )

    def __init__(self, found: tuple[Stretch, ...]) -> None:
        price = found[0].price
        cap, unit = price.max_micros, price.unit_micros
        self.price: Price = price
        self._coming = _walk(found, price.free_seconds)
        self._legs: list[_Leg] = []
        self._begins: list[int] = []
        self._free_end = self._first_begin_from(price.free_seconds)
        self._minimum = self._free_end + price.minimum_seconds
        self.setup = price.setup_micros * _MINUTE
        self.den = _MINUTE * unit
        self.cap = UNCAPPED if cap is None else (cap - cap % unit) * _MINUTE
        steps = [step for stretch in found for step in stretch.price.steps]
        self.grain = gcd(*(step.increment_seconds for step in steps))
        """Every increment begins at a multiple of this, so the cost changes only one second after one."""
        is_flat = len(found) == 1 and len(price.steps) == 1 and not price.free_seconds
        self.flat = self._flat() if is_flat else None

    def _first_begin_from(self, second: int) -> int:
        """Walk on until an increment begins at or after this second, or the last leg, which never ends."""
        while not self._begins or self._begins[-1] < second:
            leg = next(self._coming, None)
            if leg is None:
                break
            self._legs.append(leg)
            self._begins.append(leg.begin)
        return self._begins[-1]

    def _flat(self) -> Flat:
        _, increment, price_micros, _ = self._legs[0]
        return Flat(
            increment,
            increment * price_micros,
            self._minimum,
            self.setup,
            self.cap,
            self.den,
            self.price.unit_micros,
        )

    def micros(self, seconds: int) -> int:
        """Rounded micros of n seconds; never falls when n grows."""
        if seconds <= 0:
            return 0
        exact = self.setup
        if seconds > self._free_end:
            exact += self._exact(max(seconds, self._minimum))
        return self._rounded(min(exact, self.cap))

    def _rounded(self, exact: int) -> int:
        return (exact + self.den // 2) // self.den * self.price.unit_micros

    def _exact(self, end: int) -> int:
        """Micros × 60 of every increment that begins before `end` (> 0)."""
        self._first_begin_from(end)
        leg = self._legs[bisect_left(self._begins, end) - 1]
        count = -(-(end - leg.begin) // leg.increment)
        return leg.cost_before + count * leg.increment * leg.price_micros

    def component(self, seconds: int) -> Component:
        """The same as `micros`, with what a bill shows; n > 0."""
        assert seconds > 0
        if self.flat is None:
            return self._component_of_parts(seconds)
        increment, per_increment, minimum, setup, cap, den, unit = self.flat
        price = self.price
        count = -(-max(seconds, minimum) // increment)
        exact = setup + count * per_increment
        return Component(
            price.item,
            count if increment == _MINUTE else count * increment,
            "minute" if increment == _MINUTE else "second",
            price.steps[-1].price_micros,
            price.per,
            ((cap if exact > cap else exact) + den // 2) // den * unit,
            increment,
            price.setup_micros,
            exact > cap,
        )

    def _component_of_parts(self, seconds: int) -> Component:
        price = self.price
        parts = self._parts(max(seconds, self._minimum)) if seconds > self._free_end else ()
        billed = sum(part.seconds for part in parts)
        first = parts[0] if parts else Part(0, price.price_micros, self._legs[0].increment)
        by_minute = all(part.increment_seconds == _MINUTE for part in (first, *parts))
        exact = self.setup + sum(part.seconds * part.price_micros for part in parts)
        return Component(
            item=price.item,
            billed=billed // _MINUTE if by_minute else billed,
            unit="minute" if by_minute else "second",
            price_micros=first.price_micros,
            per=price.per,
            amount_micros=self._rounded(min(exact, self.cap)),
            increment_seconds=first.increment_seconds,
            setup_micros=price.setup_micros,
            capped=exact > self.cap,
            parts=parts if len(parts) > 1 else (),
        )

    def _parts(self, end: int) -> tuple[Part, ...]:
        """What is billed up to `end`, neighbours of one price and increment joined."""
        self._first_begin_from(end)
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


def _walk(found: tuple[Stretch, ...], free_seconds: int) -> Iterator[_Leg]:
    """Walk the grid over every edge (window, step, end of the free part).

    A leg that an increment jumps over whole is left out; the last leg never ends.
    """
    edges = sorted({free_seconds, *_step_edges(found)} - {0})
    begin = cost = 0
    for following in edges:
        if begin >= following:
            continue
        price_micros, increment = _price_from(found, begin, free_seconds)
        yield _Leg(begin, increment, price_micros, cost)
        count = -(-(following - begin) // increment)
        begin += count * increment
        cost += count * increment * price_micros
    price_micros, increment = _price_from(found, begin, free_seconds)
    yield _Leg(begin, increment, price_micros, cost)


def _step_edges(found: tuple[Stretch, ...]) -> list[int]:
    return [stretch.from_seconds for stretch in found] + [
        step.from_seconds for stretch in found for step in stretch.price.steps
    ]


def _price_from(found: tuple[Stretch, ...], second: int, free_seconds: int) -> tuple[int, int]:
    """Micros per minute and length of an increment that begins at this second."""
    price = next(stretch.price for stretch in reversed(found) if stretch.from_seconds <= second)
    step = next(step for step in reversed(price.steps) if step.from_seconds <= second)
    return (0 if second < free_seconds else step.price_micros), step.increment_seconds
