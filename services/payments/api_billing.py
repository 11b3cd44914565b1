"""The billing account [T]: `/v1/billing` without its transactions (contract §5; account key)."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from services.payments import account_object, cards, topups
from services.payments.api_edge import (
    CardId,
    Cents,
    PaymentsRoute,
    PositiveCents,
    created,
    idempotency_key,
    refuse_other_currency,
)
from services.payments.context import Context
from services.payments.domain.notice import REFUSAL_CODES, SIGNAL_LIFE, notice
from services.payments.hosted_setup import fresh_setup_checkout
from services.payments.policy import UNSET, Change, change_policy
from services.payments.store import SQL, payable_account
from shared.api_edge import account_asked_about
from shared.contracts.fields_v1 import Strict
from shared.http_app import OrjsonResponse
from shared.http_errors import not_found
from shared.openapi import TAKES_IDEMPOTENCY_KEY

ROUTE_TOPUP = "POST /v1/billing/top-up"


class BillingChange(Strict):
    """Null means: leave as it is; except the monthly limit, where null means none."""

    auto_reload_enabled: bool | None = None
    auto_reload_minimum_cents: Cents | None = None
    auto_reload_amount_cents: PositiveCents | None = None
    auto_reload_monthly_limit_cents: Cents | None = None


class TopUpRequest(Strict):
    amount_cents: int
    payment_method_id: CardId | None = None
    idempotency_key: str | None = None
    currency: str | None = None


class ChosenCard(Strict):
    payment_method_id: CardId


class SetupCheckout(Strict):
    return_url: Annotated[str, Field(max_length=2_000, pattern=r"^https?://[^\s]+$")] | None = None


def build_router(context: Context) -> APIRouter:
    router = APIRouter(prefix="/v1/billing", tags=["billing"], route_class=PaymentsRoute)
    account = account_asked_about(context.host.access)

    async def account_answer(account_id: str) -> Response:
        state = await account_object.billing_state(context, account_id)
        return OrjsonResponse(account_object.billing_account_json(state))

    @router.get("", summary="The billing account")
    async def billing(account_id: str = account) -> Response:
        return await account_answer(account_id)

    @router.patch("", summary="Enable, disable, reconfigure auto-reload")
    async def change(body: BillingChange, account_id: str = account) -> Response:
        limit_given = "auto_reload_monthly_limit_cents" in body.model_fields_set
        wanted = Change(
            enabled=body.auto_reload_enabled,
            minimum_cents=body.auto_reload_minimum_cents,
            amount_cents=body.auto_reload_amount_cents,
            monthly_limit_cents=body.auto_reload_monthly_limit_cents if limit_given else UNSET,
        )
        await change_policy(context, account_id, wanted)
        return await account_answer(account_id)

    @router.post(
        "/top-up",
        status_code=201,
        summary="Charge a card and credit the balance",
        openapi_extra=TAKES_IDEMPOTENCY_KEY,
    )
    async def top_up(request: Request, body: TopUpRequest, account_id: str = account) -> Response:
        refuse_other_currency(body.currency)
        key = idempotency_key(request, body.idempotency_key)
        wanted = topups.TopUp(account_id, ROUTE_TOPUP, body.amount_cents, body.payment_method_id, key)
        return created(await topups.top_up(context, wanted, is_gone=request.is_disconnected))

    _card_routes(router, context, account)

    @router.get("/notice", summary="The low-balance notice")
    async def low_balance_notice(account_id: str = account) -> Response:
        found = await payable_account(context.pool, account_id)
        if found is None:
            raise not_found("account")
        profile = await context.pool.fetchrow(SQL.find_profile, account_id)
        since = context.now() - SIGNAL_LIFE
        shown = notice(
            balance_micros=found["balance_micros"],
            default_since=None if profile is None else profile["default_since"],
            blocked_at=await context.pool.fetchval(SQL.last_blocked_usage, account_id, since, list(REFUSAL_CODES)),
        )
        return OrjsonResponse(shown.json())

    @router.get("/transactions/{transaction_id}/receipt", summary="Where the receipt of a payment is")
    async def receipt(transaction_id: Annotated[int, Path(ge=1, le=2**63 - 1)], account_id: str = account) -> Response:
        row = await context.pool.fetchrow(SQL.attempt_of_transfer, account_id, transaction_id)
        url = None if row is None else await context.provider.receipt_url(row["payment_id"])
        if url is None:
            raise not_found("receipt")
        return OrjsonResponse({"receipt_url": url})

    return router


def _card_routes(router: APIRouter, context: Context, account: str) -> None:
    @router.post("/setup-intent", status_code=201, summary="Begin to save a card")
    async def setup_intent(account_id: str = account) -> Response:
        customer_id = await cards.ensure_customer(context, account_id)
        setup = await context.provider.start_card_setup(account_id, customer_id)
        body = {"setup_intent_id": setup.setup_id, "client_secret": setup.client_secret, "status": setup.status}
        return OrjsonResponse(body, status_code=201)

    @router.post("/setup-checkout", status_code=201, summary="A hosted page on which to save a card")
    async def setup_checkout(
        request: Request, body: SetupCheckout | None = None, account_id: str = account
    ) -> Response:
        return_url = None if body is None else body.return_url
        url = await fresh_setup_checkout(context, account_id, base_url=str(request.base_url), return_url=return_url)
        return OrjsonResponse({"url": url}, status_code=201)

    @router.post("/default-payment-method", summary="Choose the card that is charged")
    async def default_payment_method(body: ChosenCard, account_id: str = account) -> Response:
        await cards.choose_default(context, account_id, body.payment_method_id)
        state = await account_object.billing_state(context, account_id)
        return OrjsonResponse(account_object.billing_account_json(state))

    @router.get("/payment-methods", summary="The saved cards")
    async def payment_methods(account_id: str = account) -> Response:
        rows = await context.pool.fetch(SQL.cards_of, account_id)
        listed = [
            {
                "id": row["payment_method_id"],
                "brand": row["brand"],
                "last4": row["last4"],
                "exp_month": row["exp_month"],
                "exp_year": row["exp_year"],
                "is_default": bool(row["is_default"]),
            }
            for row in rows
        ]
        return OrjsonResponse({"payment_methods": listed})

    @router.delete("/payment-methods/{payment_method_id}", status_code=204, summary="Remove a card")
    async def remove(payment_method_id: str, account_id: str = account) -> Response:
        await cards.remove_card(context, account_id, payment_method_id)
        return Response(status_code=204)
