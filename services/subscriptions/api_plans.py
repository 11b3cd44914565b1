"""`/v1/plans`: what an agency offers (contract §7, Plan)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from services.subscriptions.api_edge import Cents, Currency, Days, Minutes, Name, Rate, agency_of
from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.domain.rhythm import COUNT_MAX, Unit
from services.subscriptions.rows import Row
from services.subscriptions.shapes import page, plan_json
from services.subscriptions.stories import QUERIES
from shared.api_edge import BooksRoute, Limit, Offset
from shared.contracts.fields_v1 import Strict
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError, invalid_request, not_found
from shared.ids import new_id
from shared.postgres.pool import transaction

FIELDS = (
    "name",
    "status",
    "currency",
    "recurring_fee_cents",
    "minute_rate_usd",
    "included_minutes",
    "rhythm",
    "rhythm_count",
    "due_days",
    "grace_days",
    "packs_allowed",
    "client_may_start",
    "chats_per_minute",
)

PlanStatus = Literal["active", "archived"]


class NewPlan(Strict):
    """At least one of `recurring_fee_cents` and `minute_rate_usd`. Without a rate nothing beyond the included
    minutes and the minute wallet can be used; with `chats_per_minute` chats take minutes too.
    """

    name: Name
    status: PlanStatus = "active"
    currency: Currency = "USD"
    recurring_fee_cents: Cents | None = None
    minute_rate_usd: Rate | None = None
    included_minutes: Minutes = 0
    rhythm: Unit = "monthly"
    rhythm_count: Annotated[int, Field(ge=1)] = 1
    due_days: Days = 7
    grace_days: Days = 3
    packs_allowed: bool = True
    client_may_start: bool = True
    chats_per_minute: Annotated[int, Field(ge=1, le=60_000)] | None = None


class PlanChange(NewPlan):
    """Only the fields that are sent change. Running subscriptions keep the terms they started with."""

    name: Name = ""


def build_router(context: SubscriptionsContext) -> APIRouter:
    router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=BooksRoute)
    pool, agency = context.pool, agency_of(context)

    @router.post("", status_code=201, summary="Make a plan")
    async def create(body: NewPlan, agency_id: str = agency) -> Response:
        plan = _checked(body.model_dump())
        now = context.now()
        row = await pool.fetchrow(QUERIES.insert_plan, new_id("plan", now), agency_id, *_values(plan), now)
        return OrjsonResponse(plan_json(row), status_code=201)

    @router.get("", summary="List plans")
    async def list_all(
        limit: Limit = 50, offset: Offset = 0, status: PlanStatus | None = None, agency_id: str = agency
    ) -> Response:
        rows = await pool.fetch(QUERIES.plans, agency_id, status, limit, offset)
        total = await pool.fetchval(QUERIES.count_plans, agency_id, status)
        return OrjsonResponse(page([plan_json(row) for row in rows], total, limit, offset))

    @router.get("/{plan_id}", summary="Read a plan")
    async def read(plan_id: str, agency_id: str = agency) -> Response:
        row = await pool.fetchrow(QUERIES.plan, plan_id, agency_id)
        if row is None:
            raise not_found("plan")
        return OrjsonResponse(plan_json(row))

    @router.patch("/{plan_id}", summary="Change or archive a plan; running subscriptions keep their terms")
    async def change(plan_id: str, body: PlanChange, agency_id: str = agency) -> Response:
        async with transaction(pool) as connection:
            known = await connection.fetchrow(QUERIES.lock_plan, plan_id, agency_id)
            if known is None:
                raise not_found("plan")
            plan = _checked({**dict(known), **body.model_dump(include=body.model_fields_set)})
            if plan["currency"] != known["currency"] and await connection.fetchval(QUERIES.plan_is_running, plan_id):
                raise ApiError(
                    409, "subscription_active", "The currency can't change while subscriptions run on the plan."
                )
            row = await connection.fetchrow(QUERIES.save_plan, plan_id, agency_id, *_values(plan))
        return OrjsonResponse(plan_json(row))

    return router


def _checked(plan: dict[str, Any]) -> dict[str, Any]:
    """The rules that concern several fields; raises 422."""
    if plan["recurring_fee_cents"] is None and plan["minute_rate_usd"] is None:
        fields = ("recurring_fee_cents", "minute_rate_usd")
        raise invalid_request([(name, "a plan has a recurring fee, a minute rate, or both") for name in fields])
    most = COUNT_MAX[plan["rhythm"]]
    if plan["rhythm_count"] > most:
        raise invalid_request([("rhythm_count", f"must be at most {most} for a {plan['rhythm']} plan")])
    return plan


def _values(plan: Row) -> list[Any]:
    return [plan[name] for name in FIELDS]
