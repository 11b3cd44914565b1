"""`POST /v1/test/clock`: try thirty days in a minute (contract §0, Time; platform key; only with the test clock on)."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field, model_validator

from services.ledger import clock_offset
from services.ledger.api_edge import books_router
from services.ledger.context import LedgerContext
from shared.api_edge import platform_only
from shared.clock import rfc3339
from shared.contracts.fields_v1 import Instant, Strict
from shared.contracts.ledger_api_v1 import ClockMoved
from shared.http_app import OrjsonResponse
from shared.http_errors import not_found
from shared.postgres.pool import transaction

SECONDS_MAX = 200 * 366 * 86_400


class ClockMove(Strict):
    """One of the two."""

    advance_seconds: Annotated[int, Field(ge=0, le=SECONDS_MAX)] | None = None
    now: Instant | None = None

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "ClockMove":
        if (self.advance_seconds is None) == (self.now is None):
            raise ValueError("name either advance_seconds or now")
        return self


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(tags=["operations"], dependencies=[platform_only(context.host.access)])
    clock = context.host.clock

    @router.post("/v1/test/clock", response_model=ClockMoved, summary="Move the clock of every service forward")
    async def move(body: ClockMove) -> Response:
        if not context.host.settings.test_clock:
            raise not_found("path")
        async with transaction(context.pool) as connection:
            if body.now is not None:
                offset = await clock_offset.move_to(connection, clock, body.now)
            else:
                offset = await clock_offset.advance(connection, clock, timedelta(seconds=body.advance_seconds or 0))
        clock.move_to_offset(offset)
        return OrjsonResponse({"now": rfc3339(clock.now()), "offset_seconds": offset // timedelta(seconds=1)})

    return router
