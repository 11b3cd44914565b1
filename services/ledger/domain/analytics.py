"""What a wallet took in and gave out, by day and by cause [C]. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from services.ledger.domain.statement import REASONS_OF_KIND
from shared.money import usd_number

USAGE: Final = frozenset({*REASONS_OF_KIND["debit"], "usage_adjusted"})
"""What counts as spent; corrections lessen it. Disputes and refunds are neither spent nor added."""

ADDED: Final = frozenset(REASONS_OF_KIND["credit"])


@dataclass(frozen=True, slots=True)
class Moved:
    """All transfers of one reason on one UTC day; `micros` is their signed effect on the wallet."""

    day: date
    reason: str
    count: int
    micros: int


def analytics(moved: Iterable[Moved], *, today: date, days: int) -> dict[str, Any]:
    """Totals, one entry per reason, one entry per day (days without movement as well, newest first)."""
    moved = list(moved)
    every_day = [today - timedelta(days=back) for back in range(days)]
    by_day = {day: [each for each in moved if each.day == day] for day in every_day}
    reasons = sorted({each.reason for each in moved})
    return {
        "days": days,
        "currency": "USD",
        "start_date": every_day[-1].isoformat(),
        "end_date": today.isoformat(),
        **_sums(moved),
        "by_reason": {reason: _of_reason([each for each in moved if each.reason == reason]) for reason in reasons},
        "daily": [{"date": day.isoformat(), **_sums(entries)} for day, entries in by_day.items()],
    }


def _sums(moved: list[Moved]) -> dict[str, float]:
    return {
        "total_spent_usd": usd_number(-sum(each.micros for each in moved if each.reason in USAGE)),
        "total_added_usd": usd_number(sum(each.micros for each in moved if each.reason in ADDED)),
    }


def _of_reason(moved: list[Moved]) -> dict[str, Any]:
    return {
        "count": sum(each.count for each in moved),
        "amount_usd": usd_number(sum(each.micros for each in moved)),
    }
