"""`/v1/payment-requests`: what is asked of clients, and what the agency says came of it (contract §7)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import StringConstraints

from services.subscriptions.api_edge import find_client, principal_of
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.domain.payment_requests import PaymentRequest, RequestStatus
from services.subscriptions.rows import request_of
from services.subscriptions.shapes import page, request_json
from services.subscriptions.stories import QUERIES
from services.subscriptions.subscribing import change_request, lock_client
from shared.access import Principal
from shared.api_edge import BooksRoute, Limit, Offset
from shared.contracts.fields_v1 import Strict, is_caller_id
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError, forbidden, not_found
from shared.postgres.pool import transaction

StatusName = Literal["pending", "paid", "overdue", "failed", "canceled"]
Reference = Annotated[str, StringConstraints(max_length=500)]


class RequestChange(Strict):
    """Only the fields that are sent change. `pending` is there to be refused by the table of transitions."""

    status: StatusName | None = None
    external_reference: Reference | None = None


def build_router(context: SubscriptionsContext) -> APIRouter:
    router = APIRouter(prefix="/v1/payment-requests", tags=["payment requests"], route_class=BooksRoute)
    pool = context.pool

    @router.get("", summary="List payment requests")
    async def list_all(
        request: Request,
        limit: Limit = 50,
        offset: Offset = 0,
        client_id: str | None = None,
        status: StatusName | None = None,
        type: Literal["cycle", "pack"] | None = None,
    ) -> Response:
        principal = await principal_of(context, request)
        agency_id, account_id = await _asked_about(context, principal, request, client_id)
        asked = (agency_id, account_id, status, type)
        rows = await pool.fetch(QUERIES.requests, *asked, limit, offset)
        total = await pool.fetchval(QUERIES.count_requests, *asked)
        return OrjsonResponse(page([request_json(request_of(row)) for row in rows], total, limit, offset))

    @router.get("/{request_id}", summary="Read a payment request")
    async def read(request: Request, request_id: str) -> Response:
        principal = await principal_of(context, request)
        return OrjsonResponse(request_json(await _known(context, principal, request_id)))

    @router.patch("/{request_id}", summary="Say what came of a payment request")
    async def change(request: Request, request_id: str, body: RequestChange) -> Response:
        principal = await principal_of(context, request)
        known = await _known(context, principal, request_id)
        client = await find_client(context, principal, known.account_id)
        if client.asks_itself:
            raise forbidden()
        async with transaction(pool) as connection:
            await lock_client(connection, client.account_id, client.agency_id)
            changed = await change_request(
                connection,
                known,
                status=None if body.status is None else RequestStatus(body.status),
                external_reference=body.external_reference,
                sets_reference="external_reference" in body.model_fields_set,
                now=context.now(),
            )
        context.host.announcer.tell([client.account_id])
        return OrjsonResponse(request_json(changed))

    return router


async def _known(context: SubscriptionsContext, principal: Principal, request_id: str) -> PaymentRequest:
    """The request, if the principal may see it; raises 404."""
    row = await context.pool.fetchrow(QUERIES.request, request_id)
    if row is None:
        raise not_found("payment request")
    may_see = principal.kind == "platform" or principal.account_id in (row["account_id"], row["agency_id"])
    if not may_see:
        raise not_found("payment request")
    return request_of(row)


async def _asked_about(
    context: SubscriptionsContext, principal: Principal, request: Request, client_id: str | None
) -> tuple[str, str | None]:
    """(agency, client or None for all). A client sees its own; a platform key names the agency or a client."""
    if client_id is not None:
        client = await find_client(context, principal, client_id)
        return client.agency_id, client.account_id
    if principal.kind == "agency" and principal.account_id is not None:
        return principal.account_id, None
    if principal.kind == "account" and principal.account_id is not None:
        tenant = await context.pool.fetchrow(QUERIES.tenant, principal.account_id)
        if tenant is None or tenant["parent_id"] is None:
            raise forbidden()
        return tenant["parent_id"], principal.account_id
    named = request.headers.get("ringfence-account")
    if named is None:
        raise ApiError(422, "account_required", "Name the agency in the header Ringfence-Account.")
    tenant = await context.pool.fetchrow(QUERIES.tenant, named) if is_caller_id(named) else None
    if tenant is None:
        raise not_found("account")
    return (named, None) if tenant["is_agency"] else (tenant["parent_id"] or named, named)
