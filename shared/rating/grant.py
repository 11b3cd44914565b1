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

from shared.rating.compiled import CompiledBook
from shared.rating.cost import NotPriced, call_meter, holds_at_any_hour
from shared.rating.meter import Meter


class CallPrice:
    """cost(n) of one kind of call. Immutable; cached on the book unless hours matter."""

    __slots__ = ("_grain", "_meters", "rate_micros_per_minute")

    def __init__(self, meters: tuple[Meter, ...]) -> None:
        self._meters = meters
        self.rate_micros_per_minute = sum(meter.price.price_micros for meter in meters)
        self._grain = gcd(*(meter.grain for meter in meters)) or 1
        """The cost can only change one second after a multiple of this."""

    def cost(self, seconds: int) -> int:
        """Micros billed for n talk seconds; 0 for 0; never falls when n grows."""
        total = 0
        for meter in self._meters:
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
        if keep:
            book.remember(key, cached)
    assert isinstance(cached, CallPrice | NotPriced)
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
