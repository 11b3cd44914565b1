"""`/v1/clients`: an agency's clients, their plan and their packs (contract §7)."""

import base64
import os
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field, StringConstraints

from services.subscriptions.api_edge import Client, agency_of, client_in_path
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.domain.access import refusal
from services.subscriptions.shapes import access_json, client_json, pack_json, page, plan_json
from services.subscriptions.stories import QUERIES
from services.subscriptions.subscribing import lock_client, require_active, require_no_subscription
from shared.access import secret_hash
from shared.api_edge import BooksRoute, Limit, Offset, sends_integer_id
from shared.contracts.fields_v1 import CallerId, Strict, Text
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError, not_found
from shared.ids import new_id
from shared.money import MICROS_PER_CENT
from shared.postgres.pool import Connection, transaction

PACKS_MAX = 200

Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
OurId = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class NewClient(Strict):
    id: CallerId | None = None
    name: Text
    email: Email | None = None


class ClientChange(Strict):
    disabled: bool


class PlanChoice(Strict):
    plan_id: OurId


class PackChoice(Strict):
    """All the packs this client sees, in the order in which it sees them."""

    pack_ids: Annotated[list[OurId], Field(max_length=PACKS_MAX)]


def build_router(context: SubscriptionsContext) -> APIRouter:
    router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=BooksRoute)
    agency = agency_of(context)
    for_agency, for_both = client_in_path(context, client_may=False), client_in_path(context, client_may=True)
    _add_client_routes(router, context, agency, for_agency, for_both)
    _add_plan_routes(router, context, for_agency, for_both)
    _add_pack_routes(router, context, for_agency, for_both)
    return router


def _add_client_routes(
    router: APIRouter, context: SubscriptionsContext, agency: Any, for_agency: Any, for_both: Any
) -> None:
    pool = context.pool

    @router.post("", status_code=201, summary="Open an account for a client")
    async def create(request: Request, body: NewClient, agency_id: str = agency) -> Response:
        now = context.now()
        account_id = body.id or new_id("acct", now)
        secret = "rf_" + base64.urlsafe_b64encode(os.urandom(24)).decode()
        has_integer_id = await sends_integer_id(request)
        async with transaction(pool) as connection:
            if has_integer_id:
                await connection.execute(QUERIES.note_integer_id, account_id)
            is_new = await connection.fetchval(
                QUERIES.open_client,
                agency_id,
                account_id,
                body.name,
                body.email,
                context.settings.low_balance_cents * MICROS_PER_CENT,
                context.settings.auto_charge,
                new_id("key", now),
                secret_hash(secret),
                secret[-4:],
                now,
            )
            if not is_new:
                raise ApiError(409, "account_exists", "There is already an account with this id.")
            client = await _client(connection, agency_id, account_id)
        context.host.announcer.tell([account_id])
        return OrjsonResponse({**client, "api_key": secret}, status_code=201)

    @router.get("", summary="List clients")
    async def list_all(limit: Limit = 50, offset: Offset = 0, agency_id: str = agency) -> Response:
        rows = await pool.fetch(QUERIES.clients, agency_id, None, limit, offset)
        total = await pool.fetchval(QUERIES.count_clients, agency_id)
        return OrjsonResponse(page([client_json(row) for row in rows], total, limit, offset))

    @router.get("/{client_id}", summary="Read a client")
    async def read(client: Client = for_both) -> Response:
        async with pool.acquire() as connection:
            return OrjsonResponse(await _client(connection, client.agency_id, client.account_id))

    @router.patch("/{client_id}", summary="Shut a client out, or let it in again")
    async def change(body: ClientChange, client: Client = for_agency) -> Response:
        async with transaction(pool) as connection:
            await connection.execute(QUERIES.set_disabled, client.account_id, body.disabled, context.now())
            changed = await _client(connection, client.agency_id, client.account_id)
        context.host.announcer.tell([client.account_id])
        return OrjsonResponse(changed)

    @router.get("/{client_id}/access", summary="Whether a client may come in")
    async def access(client: Client = for_both) -> Response:
        return OrjsonResponse(access_json(await pool.fetchrow(QUERIES.access, client.account_id)))


async def _client(connection: Connection, agency_id: str, account_id: str) -> dict[str, Any]:
    return client_json(await connection.fetchrow(QUERIES.clients, agency_id, account_id, 1, 0))


def _add_plan_routes(router: APIRouter, context: SubscriptionsContext, for_agency: Any, for_both: Any) -> None:
    pool = context.pool

    @router.get("/{client_id}/plan", summary="Read the plan assigned to a client")
    async def read_plan(client: Client = for_both) -> Response:
        known = await pool.fetchrow(QUERIES.client, client.account_id)
        plan = known and await pool.fetchrow(QUERIES.plan, known["plan_id"], client.agency_id)
        if plan is None:
            raise not_found("plan")
        return OrjsonResponse({**plan_json(plan), "plan_id": plan["plan_id"], "account_id": client.account_id})

    @router.put("/{client_id}/plan", summary="Assign a plan; only without a running subscription")
    async def assign_plan(body: PlanChoice, client: Client = for_agency) -> Response:
        async with transaction(pool) as connection:
            await lock_client(connection, client.account_id, client.agency_id)
            plan = await connection.fetchrow(QUERIES.share_plan, body.plan_id, client.agency_id)
            if plan is None:
                raise not_found("plan")
            await require_no_subscription(connection, client.account_id)
            require_active(plan)
            await _set_plan(connection, context, client, plan["plan_id"])
        context.host.announcer.tell([client.account_id])
        return OrjsonResponse({**plan_json(plan), "plan_id": plan["plan_id"], "account_id": client.account_id})

    @router.delete("/{client_id}/plan", status_code=204, summary="Take the plan back; it is a wallet account again")
    async def remove_plan(client: Client = for_agency) -> Response:
        async with transaction(pool) as connection:
            await lock_client(connection, client.account_id, client.agency_id)
            await require_no_subscription(connection, client.account_id)
            await _set_plan(connection, context, client, None)
        context.host.announcer.tell([client.account_id])
        return Response(status_code=204)


async def _set_plan(connection: Connection, context: SubscriptionsContext, client: Client, plan_id: str | None) -> None:
    await connection.execute(QUERIES.set_plan, client.account_id, plan_id)
    reason = refusal(has_plan=plan_id is not None, running=None)
    await connection.execute(QUERIES.set_access, [client.account_id], [reason], context.now())


def _add_pack_routes(router: APIRouter, context: SubscriptionsContext, for_agency: Any, for_both: Any) -> None:
    pool = context.pool

    @router.get("/{client_id}/packs", summary="The packs a client sees")
    async def read_packs(limit: Limit = PACKS_MAX, offset: Offset = 0, client: Client = for_both) -> Response:
        rows = await pool.fetch(QUERIES.assigned_packs, client.account_id)
        shown = [pack_json(row) for row in rows]
        return OrjsonResponse(page(shown[offset : offset + limit], len(shown), limit, offset))

    @router.put("/{client_id}/packs", summary="Say which packs a client sees")
    async def assign_packs(body: PackChoice, client: Client = for_agency) -> Response:
        wanted = list(dict.fromkeys(body.pack_ids))
        async with transaction(pool) as connection:
            await lock_client(connection, client.account_id, client.agency_id)
            known = await connection.fetch(QUERIES.packs_of_agency, wanted, client.agency_id)
            if len(known) < len(wanted):
                raise not_found("pack")
            await connection.execute(QUERIES.forget_packs, client.account_id)
            await connection.execute(QUERIES.assign_packs, client.account_id, wanted)
            rows = await connection.fetch(QUERIES.assigned_packs, client.account_id)
        shown = [pack_json(row) for row in rows]
        return OrjsonResponse({"pack_ids": wanted, **page(shown, len(shown), PACKS_MAX, 0)})
