"""Thirty days of spending as stacked bars: numbers in, geometry out. Pure; integers only."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from shared.money import MICROS_PER_CENT

DAYS: Final = 30
KINDS: Final[Mapping[str, str]] = {"call": "Calls", "sms": "Messages", "chat": "Chats", "number_fee": "Numbers"}
WIDTH, HEIGHT = 600, 140
STEP, BAR = WIDTH // DAYS, 12


@dataclass(frozen=True, slots=True)
class Block:
    """One kind on one day."""

    kind: str
    y: int
    height: int
    cents: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day."""

    day: date
    x: int
    blocks: tuple[Block, ...]
    cents: int


@dataclass(frozen=True, slots=True)
class Chart:
    """`top_cents` is what the highest gridline stands for; `kinds` those that occur."""

    bars: tuple[Bar, ...]
    top_cents: int
    total_cents: int
    by_kind: Mapping[str, int]


def spend_chart(moved: Iterable[tuple[date, str, int]], *, today: date) -> Chart:
    """`moved`: (UTC day, reason, signed micros). Spent is what usage took; corrections of usage lessen no bar."""
    spent: dict[date, dict[str, int]] = {}
    for day, reason, micros in moved:
        if reason in KINDS and micros < 0:
            spent.setdefault(day, {})[reason] = -micros
    first = today - timedelta(days=DAYS - 1)
    days = [first + timedelta(days=number) for number in range(DAYS)]
    top = _round_up(max((sum(spent.get(day, {}).values()) for day in days), default=0))
    bars = tuple(_bar(day, place, spent.get(day, {}), top) for place, day in enumerate(days))
    by_kind = {kind: sum(spent.get(day, {}).get(kind, 0) for day in days) // MICROS_PER_CENT for kind in KINDS}
    total = sum(micros for day in days for micros in spent.get(day, {}).values())
    return Chart(
        bars,
        top // MICROS_PER_CENT,
        total // MICROS_PER_CENT,
        {kind: cents for kind, cents in by_kind.items() if cents},
    )


def _bar(day: date, place: int, spent: Mapping[str, int], top: int) -> Bar:
    blocks = []
    floor = HEIGHT
    for kind in KINDS:
        micros = spent.get(kind, 0)
        if micros:
            height = max(1, micros * HEIGHT // top)
            floor -= height
            blocks.append(Block(kind, floor, height, micros // MICROS_PER_CENT))
    x = place * STEP + (STEP - BAR) // 2
    return Bar(day, x, tuple(blocks), sum(spent.values()) // MICROS_PER_CENT)


def _round_up(micros: int) -> int:
    """The next of 1, 2, 5 × a power of ten cents; at least a dollar."""
    step = 100 * MICROS_PER_CENT
    while True:
        for factor in (1, 2, 5):
            if micros <= step * factor:
                return step * factor
        step *= 10
