"""`/v1/numbers`: list them, suspend and reinstate one by hand (contract §4; platform key)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from services.ledger.api_edge import books_router, known_id
from services.ledger.context import LedgerContext
from services.ledger.numbers import list_numbers, owner_of, suspend_number
from shared.access import Principal
from shared.api_edge import Limit, Offset, platform_only
from shared.contracts.fields_v1 import CallerId, Strict
from shared.contracts.ledger_api_v1 import Number, Page
from shared.http_app import OrjsonResponse

Status = Annotated[Literal["active", "suspended", "released"] | None, Query()]


class NumberOwner(Strict):
    """Needed only where several accounts have a number of this id."""

    account_id: CallerId | None = None


ANYBODY = NumberOwner()


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(prefix="/v1/numbers", tags=["numbers"])
    access, platform = context.host.access, platform_only(context.host.access)

    @router.get("", response_model=Page[Number], summary="List numbers, of all accounts or of one")
    async def list_all(
        account_id: str | None = None,
        status: Status = None,
        limit: Limit = 50,
        offset: Offset = 0,
        principal: Principal = platform,
    ) -> Response:
        if account_id is not None:
            await access.require_reach(principal, account_id)
        page = await list_numbers(context, account_id=account_id, status=status, limit=limit, offset=offset)
        return OrjsonResponse(page)

    async def set_suspension(number_id: str, body: NumberOwner, *, is_suspended: bool) -> Response:
        known_id(number_id, "number")
        account_id = body.account_id or await owner_of(context.pool, number_id)
        now = context.host.clock.now()
        return OrjsonResponse(await suspend_number(context, account_id, number_id, is_suspended=is_suspended, now=now))

    @router.post(
        "/{number_id}/suspend", response_model=Number, summary="Suspend a number by hand", dependencies=[platform]
    )
    async def suspend(number_id: str, body: NumberOwner = ANYBODY) -> Response:
        return await set_suspension(number_id, body, is_suspended=True)

    @router.post(
        "/{number_id}/reinstate",
        response_model=Number,
        summary="Lift a number's suspension by hand",
        dependencies=[platform],
    )
    async def reinstate(number_id: str, body: NumberOwner = ANYBODY) -> Response:
        return await set_suspension(number_id, body, is_suspended=False)

    return router
