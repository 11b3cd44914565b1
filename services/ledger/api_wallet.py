"""`/v1/wallet/balance`, `/pricing`, `/analytics` as the `call2me` client calls them (contract §6; account key)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.ledger import wallet
from services.ledger.api_edge import BooksRoute, account_asked_about
from services.ledger.context import LedgerContext
from shared.http_app import OrjsonResponse

DAYS_MAX = 366

Days = Annotated[int, Query(ge=1, le=DAYS_MAX)]


def build_router(context: LedgerContext) -> APIRouter:
    router = APIRouter(prefix="/v1/wallet", tags=["wallet"], route_class=BooksRoute)
    account = account_asked_about(context)

    @router.get("/balance", summary="The balance, in dollars")
    async def balance(account_id: str = account) -> Response:
        return OrjsonResponse(await wallet.balance(context.pool, account_id))

    @router.get("/pricing", summary="What this account pays")
    async def pricing(account_id: str = account) -> Response:
        return OrjsonResponse(await wallet.pricing(context, account_id))

    @router.get("/analytics", summary="What was spent and added, by day and by cause")
    async def analytics(days: Days = 30, account_id: str = account) -> Response:
        return OrjsonResponse(await wallet.spending(context, account_id, days=days))

    return router
