"""`POST /v1/prices/quote` (contract §4; platform key)."""

import asyncio
from typing import Any

from fastapi import APIRouter, Response

from services.ledger.api_edge import EVENTS_MAX, books_router, refuse_too_many_events
from services.ledger.context import LedgerContext
from services.ledger.quotes import quote_events
from shared.api_edge import platform_only
from shared.contracts.fields_v1 import Strict
from shared.contracts.ledger_api_v1 import Quote
from shared.http_app import OrjsonResponse
from shared.http_errors import invalid_request
from shared.rating.book import BookRefused, read_book
from shared.rating.compiled import CompiledBook, compile_book


class QuoteRequest(Strict):
    """CloudEvents of usage, and a price book to try; without one the prices in force apply."""

    events: list[Any]
    prices: dict[str, Any] | None = None


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(tags=["prices"], dependencies=[platform_only(context.host.access)])

    @router.post(
        "/v1/prices/quote",
        response_model=Quote,
        summary="What would this usage cost",
        description=f"Up to {EVENTS_MAX} events; nothing is posted.",
    )
    async def quote(body: QuoteRequest) -> Response:
        refuse_too_many_events(body.events)
        proposed = None if body.prices is None else await asyncio.to_thread(_compiled, body.prices)
        return OrjsonResponse(await quote_events(context, body.events, proposed, now=context.host.clock.now()))

    return router


def _compiled(raw: dict[str, Any]) -> CompiledBook:
    book = read_book(raw)
    if isinstance(book, BookRefused):
        raise invalid_request((f"prices.{field.path}", field.message) for field in book.fields)
    return compile_book(book)
