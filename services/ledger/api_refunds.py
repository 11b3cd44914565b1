"""`POST /v1/transactions/{id}/refund` to the wallet (contract §4; platform key).

A refund to the card moves money at the provider and is made by payments: where payments is hosted it serves this
route, and uses the ledger's door `refund_debit_v1` for what goes to the wallet. Without it, only that can be done.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from services.ledger.api_edge import BooksRoute, answered, attempt_of, platform_only
from services.ledger.context import LedgerContext
from services.ledger.refunds import Refund, account_of_transaction, refund_to_wallet
from services.ledger.settings import CENTS_MAX
from shared.contracts.fields_v1 import Strict, Text
from shared.http_errors import ApiError
from shared.postgres.idempotency import Answer, once
from shared.postgres.pool import Connection

ROUTE = "POST /v1/transactions/{transaction_id}/refund"

TransactionId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class RefundRequest(Strict):
    amount_cents: Annotated[int, Field(ge=1, le=CENTS_MAX)] | None = None
    reason: Text
    to: Literal["wallet", "card"]


def build_router(context: LedgerContext) -> APIRouter:
    router = APIRouter(tags=["transactions"], route_class=BooksRoute, dependencies=[platform_only(context)])

    @router.post("/v1/transactions/{transaction_id}/refund", status_code=201, summary="Refund a transaction")
    async def refund(request: Request, body: RefundRequest, transaction_id: TransactionId) -> Response:
        account_id = await account_of_transaction(context.pool, transaction_id)
        if body.to == "card":
            raise ApiError(409, "card_refund_unavailable", "Refunds to a card need the payments service.")
        now = context.host.clock.now()
        wanted = Refund(transaction_id, body.amount_cents, body.reason)

        async def work(connection: Connection) -> Answer:
            return Answer(201, await refund_to_wallet(connection, wanted, now=now))

        answer = await once(context.pool, await attempt_of(request, ROUTE, account_id=account_id), now, work)
        context.host.announcer.tell([account_id])
        return answered(answer)

    return router
