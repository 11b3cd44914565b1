"""Rentals of a number, from what was told of it in whatever order. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Literal

from shared.rating.periods import Mark, mark, marks_between

Change = Literal["rented", "released"]


@dataclass(frozen=True, slots=True)
class Rental:
    """Rented at, and released at if it was."""

    rented_at: datetime
    released_at: datetime | None


def rentals_from(changes: Iterable[tuple[datetime, Change]]) -> list[Rental]:
    """Told in any order, the same rentals: each begins with the first renting after a release (or ever) and ends
    with the first release after that. Renting what is rented, and releasing what is not, changes nothing.
    """
    rentals: list[Rental] = []
    rented_at: datetime | None = None
    for at, change in _in_order(changes):
        if change == "rented":
            rented_at = rented_at or at
        elif rented_at is not None:
            rentals.append(Rental(rented_at, at))
            rented_at = None
    if rented_at is not None:
        rentals.append(Rental(rented_at, None))
    return rentals


def _in_order(changes: Iterable[tuple[datetime, Change]]) -> Iterator[tuple[datetime, Change]]:
    """By time. At one instant a rented number is released and rented again; a free one is rented and released."""
    is_rented = False
    for at, group in groupby(sorted(set(changes)), key=lambda change: change[0]):
        told = {change for _, change in group}
        order: tuple[Change, Change] = ("released", "rented") if is_rented else ("rented", "released")
        for change in order:
            if change in told:
                is_rented = change == "rented"
                yield at, change


def fee_marks(rental: Rental, *, per: str, not_before: datetime, until: datetime) -> list[Mark]:
    """Marks due in [not_before, until]; none at renting and none from the release on (contract §4, Numbers)."""
    return [
        due
        for due in marks_between(rental.rented_at, per, None, until)
        if due.at >= not_before and (rental.released_at is None or due.at < rental.released_at)
    ]


def next_mark(rental: Rental, *, per: str, after: datetime | None) -> datetime | None:
    """The first mark after `after` (None: the very first); None when the number is released before it."""
    index = 1
    if after is not None:
        index += sum(1 for _ in marks_between(rental.rented_at, per, None, after))
    at = mark(rental.rented_at, per, index)
    return None if at is None or (rental.released_at is not None and at >= rental.released_at) else at
