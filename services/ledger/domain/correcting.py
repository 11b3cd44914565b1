"""Corrections of usage: which one is in force, and what it moves. Pure (contract §3, usage.adjusted)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ledger.domain.plans import take_ms
from shared.contracts.usage_v1 import Usage


@dataclass(frozen=True, slots=True)
class Correction:
    """One correction as it was stated."""

    source: str
    event_id: str
    stated_at: datetime
    quantities: Mapping[str, int]


def in_force(corrections: Sequence[Correction]) -> Correction:
    """Of several the one with the greatest time, then the greatest id."""
    return max(corrections, key=lambda each: (each.stated_at, each.event_id, each.source))


def corrected(usage: Usage, quantities: Mapping[str, int]) -> Usage:
    """The original with the right quantities; those that its kind of usage does not have are passed over."""
    known = {name: value for name, value in quantities.items() if name in type(usage).model_fields}
    return usage.model_copy(update=known)


@dataclass(frozen=True, slots=True)
class Minutes:
    """What is in the pools, and what may go back to them, in ms. `is_open`: a period is open; without one billable is
    what the usage's own plan has accrued late and not been asked for, and nothing is included.
    """

    is_open: bool
    included_ms: int
    wallet_ms: int
    billable_ms: int
    included_used_ms: int
    wallet_used_ms: int


def correct_ms(difference_ms: int, minutes: Minutes) -> dict[str, int]:
    """What a correction takes from each pool, as usage of that length would; or gives back (negative)."""
    if difference_ms >= 0:
        return take_ms(
            difference_ms, is_open=minutes.is_open, included_ms=minutes.included_ms, wallet_ms=minutes.wallet_ms
        )
    given_back = give_back_ms(
        -difference_ms,
        billable_ms=minutes.billable_ms,
        wallet_used_ms=minutes.wallet_used_ms,
        included_used_ms=minutes.included_used_ms if minutes.is_open else 0,
    )
    if not minutes.is_open:
        given_back["late"] = given_back.pop("billable")
    return {pool: -amount_ms for pool, amount_ms in given_back.items()}


def difference_micros(*, price_micros: int, posted_micros: int, refunded_micros: int) -> int:
    """What a correction still has to move for usage that should have cost `price_micros` (>= 0).

    `posted_micros` is what all postings of the usage moved so far (<= 0), `refunded_micros` what operators gave back
    to the wallet (>= 0). What was refunded is not given back again: refunds and corrections together never come to
    more than was taken (contract §4, refund), in whatever order they came.
    """
    return min(-price_micros, -refunded_micros) - posted_micros


def give_back_ms(surplus_ms: int, *, billable_ms: int, wallet_used_ms: int, included_used_ms: int) -> dict[str, int]:
    """Minutes to give back, in the reverse order of taking: billable, then wallet, then included.

    So the pools stand as if the right quantity had been taken in the first place. What an earlier period took, or a
    payment request has asked for, stays there: no more comes back than was used since.
    """
    billable = min(surplus_ms, billable_ms)
    wallet = min(surplus_ms - billable, wallet_used_ms)
    included = min(surplus_ms - billable - wallet, included_used_ms)
    return {"included": included, "wallet": wallet, "billable": billable}
