"""`/v1/packs`: minutes an agency sells on top of a plan (contract §7, pack)."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from services.subscriptions.api_edge import MINUTES_MAX, Cents, Currency, Name, agency_of
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.shapes import pack_json, page
from services.subscriptions.stories import QUERIES
from shared.api_edge import BooksRoute, Limit, Offset
from shared.contracts.fields_v1 import Strict
from shared.http_app import OrjsonResponse
from shared.http_errors import not_found
from shared.ids import new_id
from shared.postgres.pool import transaction

PackMinutes = Annotated[int, Field(ge=1, le=MINUTES_MAX)]


class NewPack(Strict):
    name: Name
    minutes: PackMinutes
    price_cents: Cents
    currency: Currency = "USD"


class PackChange(Strict):
    """Only the fields that are sent change; what was applied stays as it was."""

    name: Name = ""
    minutes: PackMinutes = 1
    price_cents: Cents = 0
    currency: Currency = "USD"


def build_router(context: SubscriptionsContext) -> APIRouter:
    router = APIRouter(prefix="/v1/packs", tags=["packs"], route_class=BooksRoute)
    pool, agency = context.pool, agency_of(context)

    @router.post("", status_code=201, summary="Make a pack")
    async def create(body: NewPack, agency_id: str = agency) -> Response:
        now = context.now()
        row = await pool.fetchrow(
            QUERIES.insert_pack,
            new_id("pack", now),
            agency_id,
            body.name,
            body.minutes,
            body.price_cents,
            body.currency,
            now,
        )
        return OrjsonResponse(pack_json(row), status_code=201)

    @router.get("", summary="List packs")
    async def list_all(limit: Limit = 50, offset: Offset = 0, agency_id: str = agency) -> Response:
        rows = await pool.fetch(QUERIES.packs, agency_id, limit, offset)
        total = await pool.fetchval(QUERIES.count_packs, agency_id)
        return OrjsonResponse(page([pack_json(row) for row in rows], total, limit, offset))

    @router.get("/{pack_id}", summary="Read a pack")
    async def read(pack_id: str, agency_id: str = agency) -> Response:
        row = await pool.fetchrow(QUERIES.pack, pack_id, agency_id)
        if row is None:
            raise not_found("pack")
        return OrjsonResponse(pack_json(row))

    @router.patch("/{pack_id}", summary="Change a pack")
    async def change(pack_id: str, body: PackChange, agency_id: str = agency) -> Response:
        async with transaction(pool) as connection:
            known = await connection.fetchrow(QUERIES.lock_pack, pack_id, agency_id)
            if known is None:
                raise not_found("pack")
            pack = {**dict(known), **body.model_dump(include=body.model_fields_set)}
            row = await connection.fetchrow(
                QUERIES.save_pack,
                pack_id,
                agency_id,
                pack["name"],
                pack["minutes"],
                pack["price_cents"],
                pack["currency"],
            )
        return OrjsonResponse(pack_json(row))

    return router
