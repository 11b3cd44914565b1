"""Corrections of usage: which one is in force, and what it moves. Pure (contract §3, usage.adjusted)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

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


def give_back_ms(surplus_ms: int, *, billable_ms: int, wallet_used_ms: int, included_used_ms: int) -> dict[str, int]:
    """Minutes to give back, in the reverse order of taking: billable, then wallet, then included.

    So the pools stand as if the right quantity had been taken in the first place. What an earlier period took
    stays there: no more comes back than the open period used.
    """
    billable = min(surplus_ms, billable_ms)
    wallet = min(surplus_ms - billable, wallet_used_ms)
    included = min(surplus_ms - billable - wallet, included_used_ms)
    return {"included": included, "wallet": wallet, "billable": billable}
