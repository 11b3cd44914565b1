"""`GET /v1/billing/transactions` and `GET /v1/wallet/transactions` (contract §5, §6; account key)."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.ledger.api_edge import books_router
from services.ledger.context import LedgerContext
from services.ledger.domain.statement import end_instant, reasons_of_kind, start_instant, wallet_entry
from services.ledger.transactions import Wanted, csv_lines, list_transactions
from shared.api_edge import LIMIT_MAX, Offset, account_asked_about
from shared.contracts.ledger_api_v1 import Transaction, WalletTransaction
from shared.http_app import OrjsonResponse
from shared.http_errors import invalid_request

LIMIT_DEFAULT = 50
THUNDERPHONE_HEADER = "x-thunderphone-client"

LimitIfAny = Annotated[int | None, Query(ge=1, le=LIMIT_MAX)]


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(tags=["transactions"])
    account = account_asked_about(context.host.access)

    @router.get(
        "/v1/billing/transactions",
        response_model=list[Transaction],
        summary="List transactions, newest first",
        description="`Accept: text/csv` answers the same as CSV, all rows unless a limit is named.",
    )
    async def billing_transactions(
        request: Request,
        limit: LimitIfAny = None,
        offset: Offset = 0,
        kind: str | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
        account_id: str = account,
    ) -> Response:
        wanted = _wanted(request, account_id, kind, start_date, end_date)
        if "text/csv" in request.headers.get("accept", "").lower():
            lines = csv_lines(context.pool, wanted, limit=limit, offset=offset)
            headers = {"Content-Disposition": 'attachment; filename="transactions.csv"'}
            return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)
        page = await list_transactions(context.pool, wanted, limit=limit or LIMIT_DEFAULT, offset=offset)
        return OrjsonResponse(page)

    @router.get(
        "/v1/wallet/transactions",
        response_model=list[WalletTransaction],
        summary="List transactions in the wallet's words, newest first",
    )
    async def wallet_transactions(
        request: Request,
        limit: LimitIfAny = None,
        offset: Offset = 0,
        kind: str | None = None,
        start_date: str | None = None,
        end_date: str | None = None,
        account_id: str = account,
    ) -> Response:
        wanted = _wanted(request, account_id, kind, start_date, end_date)
        page = await list_transactions(context.pool, wanted, limit=limit or LIMIT_DEFAULT, offset=offset)
        return OrjsonResponse([wallet_entry(transaction) for transaction in page])

    return router


def _wanted(request: Request, account_id: str, kind: str | None, start: str | None, end: str | None) -> Wanted:
    in_thunderphone_words = THUNDERPHONE_HEADER in request.headers
    reasons = None if kind is None else reasons_of_kind(kind, in_thunderphone_words=in_thunderphone_words)
    if kind is not None and reasons is None:
        raise invalid_request([("kind", "is not a kind of transaction")])
    return Wanted(
        account_id=account_id,
        reasons=reasons,
        start=_instant("start_date", start, start_instant),
        end=_instant("end_date", end, end_instant),
        in_thunderphone_words=in_thunderphone_words,
    )


def _instant(name: str, text: str | None, read: Callable[[str], datetime]) -> datetime | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        raise invalid_request([(name, "is neither a date nor an RFC 3339 time")]) from None
