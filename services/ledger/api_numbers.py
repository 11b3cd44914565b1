"""`/v1/numbers`: list them, suspend and reinstate one by hand (contract §4)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from services.ledger.api_edge import BooksRoute, Limit, Offset, known_id, platform_only
from services.ledger.context import LedgerContext
from services.ledger.numbers import list_numbers, owner_of, suspend_number
from shared.access import Principal
from shared.contracts.fields_v1 import CallerId, Strict
from shared.http_app import OrjsonResponse

Status = Annotated[Literal["active", "suspended", "released"] | None, Query()]


class NumberOwner(Strict):
    """Needed only where several accounts have a number of this id."""

    account_id: CallerId | None = None


ANYBODY = NumberOwner()


def build_router(context: LedgerContext) -> APIRouter:
    router = APIRouter(prefix="/v1/numbers", tags=["numbers"], route_class=BooksRoute)
    access, is_platform = context.host.access, platform_only(context)

    @router.get("", summary="List numbers: an account its own, the platform all or one account's")
    async def list_all(
        request: Request,
        account_id: str | None = None,
        status: Status = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        principal = await access.principal(request.headers.get("authorization"))
        named = account_id if account_id is not None else request.headers.get("ringfence-account")
        owner = await _owner(principal, named)
        page = await list_numbers(context, account_id=owner, status=status, limit=limit, offset=offset)
        return OrjsonResponse(page)

    async def _owner(principal: Principal, named: str | None) -> str | None:
        if named is None:
            return principal.account_id
        await access.require_reach(principal, named)
        return named

    async def set_suspension(number_id: str, body: NumberOwner, *, is_suspended: bool) -> Response:
        known_id(number_id, "number")
        account_id = body.account_id or await owner_of(context.pool, number_id)
        now = context.host.clock.now()
        return OrjsonResponse(await suspend_number(context, account_id, number_id, is_suspended=is_suspended, now=now))

    @router.post("/{number_id}/suspend", summary="Suspend a number by hand", dependencies=[is_platform])
    async def suspend(number_id: str, body: NumberOwner = ANYBODY) -> Response:
        return await set_suspension(number_id, body, is_suspended=True)

    @router.post("/{number_id}/reinstate", summary="Lift a number's suspension by hand", dependencies=[is_platform])
    async def reinstate(number_id: str, body: NumberOwner = ANYBODY) -> Response:
        return await set_suspension(number_id, body, is_suspended=False)

    return router
