"""`/v1/clients/{id}/subscription`, `…/usage` and `…/packs/{pack_id}/apply` (contract §7)."""

from typing import Literal

from fastapi import APIRouter, Request, Response

from services.subscriptions.api_edge import Client, client_in_path
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.domain.lifecycle import Status
from services.subscriptions.rows import subscription_of
from services.subscriptions.shapes import request_json, subscription_json, usage_json
from services.subscriptions.stories import QUERIES
from services.subscriptions.subscribing import apply_pack, cancel_subscription, start_subscription
from shared.api_edge import BooksRoute, answered, attempt_of
from shared.contracts.fields_v1 import Strict
from shared.http_app import OrjsonResponse
from shared.http_errors import invalid_request, not_found
from shared.openapi import TAKES_IDEMPOTENCY_KEY
from shared.postgres.idempotency import Answer, once
from shared.postgres.pool import Connection, transaction

START, APPLY = "POST /v1/clients/{client_id}/subscription", "POST /v1/clients/{client_id}/packs/{pack_id}/apply"


class Payment(Strict):
    """Whether the price of a pack has been paid already."""

    payment_status: Literal["pending", "paid"]


def build_router(context: SubscriptionsContext) -> APIRouter:
    router = APIRouter(prefix="/v1/clients/{client_id}", tags=["subscriptions"], route_class=BooksRoute)
    pool = context.pool
    for_agency, for_both = client_in_path(context, client_may=False), client_in_path(context, client_may=True)

    @router.post(
        "/subscription",
        status_code=201,
        summary="Start a subscription on the assigned plan",
        openapi_extra=TAKES_IDEMPOTENCY_KEY,
    )
    async def start(request: Request, client: Client = for_both) -> Response:
        now = context.now()

        async def work(connection: Connection) -> Answer:
            subscription = await start_subscription(
                connection,
                account_id=client.account_id,
                agency_id=client.agency_id,
                by_client=client.asks_itself,
                now=now,
            )
            return Answer(201, subscription_json(subscription))

        answer = await once(pool, await attempt_of(request, START, account_id=client.account_id), now, work)
        context.host.announcer.tell([client.account_id])
        return answered(answer)

    @router.get("/subscription", summary="Read the running subscription, or the last one")
    async def read(client: Client = for_both) -> Response:
        row = await pool.fetchrow(QUERIES.latest_subscription, client.account_id)
        if row is None:
            raise not_found("subscription")
        return OrjsonResponse(subscription_json(subscription_of(row)))

    @router.post("/subscription/cancel", summary="End the subscription at once")
    async def cancel(client: Client = for_agency) -> Response:
        async with transaction(pool) as connection:
            subscription = await cancel_subscription(
                connection, account_id=client.account_id, agency_id=client.agency_id, now=context.now()
            )
        context.host.announcer.tell([client.account_id])
        return OrjsonResponse(subscription_json(subscription))

    @router.get("/usage", summary="Usage of the open period, and the minute wallet")
    async def usage(client: Client = for_both) -> Response:
        row = await pool.fetchrow(QUERIES.latest_subscription, client.account_id)
        subscription = None if row is None else subscription_of(row)
        is_running = subscription is not None and subscription.status is not Status.CANCELED
        pools = await pool.fetchrow(QUERIES.usage, client.account_id)
        return OrjsonResponse(usage_json(pools, subscription if is_running else None))

    @router.post(
        "/packs/{pack_id}/apply",
        status_code=201,
        summary="Credit a pack's minutes, ask for its price",
        openapi_extra=TAKES_IDEMPOTENCY_KEY | {"requestBody": {"required": True}},
    )
    async def apply(
        request: Request, pack_id: str, body: Payment | None = None, client: Client = for_agency
    ) -> Response:
        if body is None:
            raise invalid_request([("payment_status", "Field required")])
        now = context.now()

        async def work(connection: Connection) -> Answer:
            pack = await connection.fetchrow(QUERIES.pack, pack_id, client.agency_id)
            if pack is None:
                raise not_found("pack")
            asked = await apply_pack(
                connection,
                account_id=client.account_id,
                agency_id=client.agency_id,
                pack=pack,
                is_paid=body.payment_status == "paid",
                due_days_without_plan=context.settings.pack_due_days,
                now=now,
            )
            return Answer(201, request_json(asked))

        answer = await once(pool, await attempt_of(request, APPLY, account_id=client.account_id), now, work)
        context.host.announcer.tell([client.account_id])
        return answered(answer)

    return router
