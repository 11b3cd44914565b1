"""What usage would cost, as a quote shows it. Pure; nothing is posted."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from services.ledger.domain.charges import rate
from services.ledger.domain.usage import Refused, UsageFact, read_usage
from shared.clock import rfc3339
from shared.contracts.usage_v1 import NumberChanged, UsageAdjusted
from shared.money import usd_exact
from shared.rating.compiled import CompiledBook
from shared.rating.cost import NotPriced, Rated, components_json, number_terms
from shared.rating.meter import Component

ANY_TIME: Final = datetime(2199, 12, 31, tzinfo=UTC)
"""A quote may be about usage that is still to come."""

BookOf = Callable[[UsageFact], CompiledBook | None]


def read_for_quote(element: object, *, now: datetime) -> UsageFact | Refused:
    """Check one usage event; one without a time happens now."""
    if isinstance(element, dict) and element.get("time") is None:
        element = {**element, "time": rfc3339(now)}
    return read_usage(element, received_at=ANY_TIME)


def quote(read: Sequence[UsageFact | Refused], book_of: BookOf) -> dict[str, Any]:
    """{data: [{index, total_usd, components} or {index, error}], total_usd}; the total is of what has a price."""
    total_micros = 0
    entries: list[dict[str, Any]] = []
    for index, fact in enumerate(read):
        rated = fact if isinstance(fact, Refused) else _rated(fact, book_of(fact))
        if isinstance(rated, Refused):
            entries.append({"index": index, "error": {"code": rated.reason, "message": rated.detail}})
            continue
        total_micros += rated.total_micros
        shown = {"total_usd": usd_exact(rated.total_micros), "components": components_json(rated)}
        entries.append({"index": index, **shown})
    return {"data": entries, "total_usd": usd_exact(total_micros)}


def _rated(fact: UsageFact, book: CompiledBook | None) -> Rated | Refused:
    if isinstance(fact.usage, UsageAdjusted):
        return Refused("not_quotable", "a correction costs the difference to what was posted")
    if book is None:
        return Refused("destination_not_priced", "no price book was in force at that time")
    if isinstance(fact.usage, NumberChanged):
        rated = _number(fact, fact.usage, book)
    else:
        rated = rate(fact.usage, type=fact.type, book=book, at=fact.occurred_at)
    if isinstance(rated, NotPriced):
        return Refused("destination_not_priced", f"no price for {rated.item} fits this usage")
    return rated


def _number(fact: UsageFact, usage: NumberChanged, book: CompiledBook) -> Rated | NotPriced:
    """Renting costs the set-up; the fee comes at each mark. Releasing costs nothing."""
    terms = number_terms(book=book, number=usage.number, at=fact.occurred_at)
    if isinstance(terms, NotPriced):
        return terms
    if terms is None or fact.type == "number.released" or terms.setup_micros == 0:
        return Rated(0, ())
    setup = terms.setup_micros
    return Rated(setup, (Component("number", 1, "setup", setup, "setup", setup),))
