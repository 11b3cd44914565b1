"""Quotes: what would this usage cost, under the prices in force or under a book that is only proposed."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from services.ledger.context import LedgerContext
from services.ledger.domain.quoting import quote, read_for_quote
from services.ledger.domain.usage import UsageFact
from shared.postgres.queries import Queries
from shared.rating.compiled import CompiledBook

_SQL = Queries.load(Path(__file__).parent / "queries" / "quotes.sql")


async def quote_events(
    context: LedgerContext, events: Sequence[object], proposed: CompiledBook | None, *, now: datetime
) -> dict[str, Any]:
    """Price each event as it would be posted: by its account's prices when it happens, or by the proposed book.

    An account that does not exist yet has no prices of its own.
    """
    read = [read_for_quote(event, now=now) for event in events]
    if proposed is not None:
        return quote(read, lambda _: proposed)
    account_ids = {fact.account_id for fact in read if isinstance(fact, UsageFact)}
    rows = await context.pool.fetch(_SQL.prices_versions, account_ids)
    own = {row["account_id"]: row["prices_version"] for row in rows}
    await context.prices.learn([account_id for account_id, version in own.items() if version])

    def book_of(fact: UsageFact) -> CompiledBook | None:
        prices = context.prices.in_force(fact.account_id, own.get(fact.account_id, 0), fact.occurred_at)
        return None if prices is None else prices.book

    return quote(read, book_of)
