"""The gate's arithmetic: cost(n) of contract §2, and the largest n that money allows.

    price = call_price(book=…, direction="outbound", to="+4930…", at=now, recorded=True)
    price.cost(60) > available        → refuse (required = price.cost(60))
    n = price.largest_affordable_seconds(available_micros=…, wanted_seconds=…)
    held = price.cost(n); final = price.cost(n + 1) > available

cost(n) is what `rate_call` would bill for n talk seconds answered at `at` (recorded for n seconds when
`recorded`).
"""

from datetime import datetime
from math import gcd
from typing import Final

from shared.rating.compiled import CompiledBook
from shared.rating.cost import NotPriced, call_meter, holds_at_any_hour
from shared.rating.hours import epoch_micros
from shared.rating.meter import Flat, Meter


class CallPrice:
    """cost(n) of one kind of call. Immutable; cached on the book unless hours matter."""

    __slots__ = ("_flats", "_grain", "_varying", "rate_micros_per_minute")

    def __init__(self, meters: tuple[Meter, ...]) -> None:
        self._flats = _merged([meter.flat for meter in meters if meter.flat])
        self._varying = tuple(meter for meter in meters if not meter.flat)
        self._grain = gcd(*(meter.grain for meter in meters)) or 1
        """The cost can only change one second after a multiple of this."""
        self.rate_micros_per_minute = sum(meter.price.price_micros for meter in meters)
        """Sum of the components' prices at answer, for `rate_usd_per_minute`."""

    def cost(self, seconds: int) -> int:
        """Micros billed for n talk seconds; 0 for 0; never falls when n grows."""
        if seconds <= 0:
            return 0
        total = 0
        for increment, per_increment, minimum, setup, cap, den, unit in self._flats:
            billed = minimum if minimum > seconds else seconds
            exact = setup - (-billed // increment) * per_increment
            total += ((cap if exact > cap else exact) + den // 2) // den * unit
        for meter in self._varying:
            total += meter.micros(seconds)
        return total

    def largest_affordable_seconds(self, *, available_micros: int, wanted_seconds: int) -> int:
        """The largest n ≤ wanted with cost(n) ≤ available; 0 when not even one second is.

        Binary search over whole grains, exact because the cost is monotone and constant within a grain.
        """
        if self.cost(wanted_seconds) <= available_micros:
            return wanted_seconds
        grain = self._grain
        low, high = 0, -(-wanted_seconds // grain)
        while high - low > 1:
            middle = (low + high) // 2
            if self.cost(middle * grain) <= available_micros:
                low = middle
            else:
                high = middle
        return low * grain


def _merged(flats: list[Flat]) -> tuple[Flat, ...]:
    """Meters that tick together and never round or cap are one meter: the sum is the same to the micro."""
    together: dict[tuple[int, int], Flat] = {}
    apart: list[Flat] = []
    for flat in flats:
        key = (flat.increment, flat.minimum)
        if not flat.is_whole:
            apart.append(flat)
        elif key not in together:
            together[key] = flat
        else:
            other = together[key]
            together[key] = other._replace(
                per_increment=other.per_increment + flat.per_increment, setup=other.setup + flat.setup
            )
    return (*together.values(), *apart)


def call_price(
    *,
    book: CompiledBook,
    direction: str,
    to: str,
    at: datetime,
    recorded: bool,
    tier: str | None = None,
) -> CallPrice | NotPriced:
    """The price of a call that would be answered `at`."""
    zone = book.zone_of(to)
    key = ("call", zone, tier, direction, recorded)
    cached = book.cache.get(key)
    if cached is None:
        cached, keep = _compile(book, zone, tier, direction, recorded, at)
        book.remember(key, cached if keep else _BY_SECOND)
    if cached is _BY_SECOND:
        cached = _price_of_second(book, zone, tier, direction, recorded, at)
    assert isinstance(cached, CallPrice | NotPriced)
    return cached


_BY_SECOND: Final = "depends on hours"


def _price_of_second(
    book: CompiledBook, zone: str | None, tier: str | None, direction: str, recorded: bool, at: datetime
) -> object:
    """Windows open and close at whole seconds, so all calls answered within one second are priced alike."""
    key = ("call", zone, tier, direction, recorded, epoch_micros(at) // 1_000_000)
    cached = book.cache.get(key)
    if cached is None:
        cached, _ = _compile(book, zone, tier, direction, recorded, at)
        book.remember(key, cached)
    return cached


def _compile(
    book: CompiledBook, zone: str | None, tier: str | None, direction: str, recorded: bool, at: datetime
) -> tuple[CallPrice | NotPriced, bool]:
    """The price, and whether it holds at any hour."""
    meters: list[Meter] = []
    keep = True
    for item in ("voice", "telephony", "recording")[: 3 if recorded else 2]:
        meter = call_meter(book, item, zone, tier, direction, at)
        keep = keep and holds_at_any_hour(book, item, zone, tier, direction)
        if isinstance(meter, NotPriced):
            return meter, keep
        if meter is not None:
            meters.append(meter)
    return CallPrice(tuple(meters)), keep
