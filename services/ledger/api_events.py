"""`GET /v1/accounts/{id}/events`: what was said of an account (contract §3, Out; its own key as well)."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.ledger.account_events import list_events, place_of
from services.ledger.api_edge import books_router
from services.ledger.context import LedgerContext
from shared.api_edge import Limit, Offset
from shared.contracts.ledger_api_v1 import AccountEvent, Page
from shared.http_app import OrjsonResponse
from shared.http_errors import invalid_request

EventType = Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$")]


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(tags=["accounts"])
    access, pool = context.host.access, context.pool

    @router.get(
        "/v1/accounts/{account_id}/events",
        response_model=Page[AccountEvent],
        summary="List an account's events, newest first",
    )
    async def events(
        request: Request,
        account_id: str,
        type: EventType = None,
        after: str | None = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        principal = await access.principal(request.headers.get("authorization"))
        await access.require_reach(principal, account_id)
        place = None if after is None else await place_of(pool, account_id, after)
        if after is not None and place is None:
            raise invalid_request([("after", "is neither the number nor the id of an event of this account")])
        return OrjsonResponse(await list_events(pool, account_id, type=type, after=place, limit=limit, offset=offset))

    return router
