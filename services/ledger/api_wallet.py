"""`/v1/wallet/balance`, `/pricing`, `/analytics` as the `call2me` client calls them (contract §6; account key)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from services.ledger import wallet
from services.ledger.api_edge import books_router
from services.ledger.context import LedgerContext
from shared.api_edge import account_asked_about
from shared.contracts.ledger_api_v1 import WalletAnalytics, WalletBalance, WalletPricing
from shared.http_app import OrjsonResponse

DAYS_MAX = 366

Days = Annotated[int, Query(ge=1, le=DAYS_MAX)]


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(prefix="/v1/wallet", tags=["wallet"])
    account = account_asked_about(context.host.access)

    @router.get("/balance", response_model=WalletBalance, summary="The balance, in dollars")
    async def balance(account_id: str = account) -> Response:
        return OrjsonResponse(await wallet.balance(context.pool, account_id))

    @router.get("/pricing", response_model=WalletPricing, summary="What this account pays")
    async def pricing(account_id: str = account) -> Response:
        return OrjsonResponse(await wallet.pricing(context, account_id))

    @router.get("/analytics", response_model=WalletAnalytics, summary="What was spent and added, by day and by cause")
    async def analytics(days: Days = 30, account_id: str = account) -> Response:
        return OrjsonResponse(await wallet.spending(context, account_id, days=days))

    return router
