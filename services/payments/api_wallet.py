"""The wallet [C]: `/v1/wallet`, its auto-recharge and its top-up (contract §6; account key)."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BeforeValidator, Field

from services.payments import account_object, topups
from services.payments.api_edge import CENTS_MAX, CardId, PaymentsRoute, created, idempotency_key, refuse_other_currency
from services.payments.context import Context
from services.payments.policy import Change, change_policy
from shared.api_edge import account_asked_about
from shared.contracts.fields_v1 import Strict
from shared.http_app import OrjsonResponse
from shared.openapi import TAKES_IDEMPOTENCY_KEY

ROUTE_TOPUP = "POST /v1/wallet/topup"
DIGITS_MAX = 100
_DOLLARS = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", re.ASCII)


def _cents(value: Any) -> int:
    """Whole cents of dollars, a JSON number or a decimal string: 10.25 → 1025. Exact; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > DIGITS_MAX:
        raise ValueError("expected dollars, such as 10.25")
    # Decimal would also read " 12 ", "1_000" and digits of other scripts.
    if isinstance(value, str) and not _DOLLARS.fullmatch(value):
        raise ValueError("expected dollars, such as 10.25")
    try:
        # The shortest text of a double is what the caller wrote.
        cents = Decimal(str(value)) * 100
    except InvalidOperation:
        raise ValueError("expected dollars, such as 10.25") from None
    if not cents.is_finite():
        raise ValueError("expected dollars, such as 10.25")
    if cents != cents.to_integral_value():
        raise ValueError("dollars have at most two decimals")
    return int(cents)


Dollars = Annotated[
    int,
    BeforeValidator(_cents, json_schema_input_type=float | Annotated[str, Field(pattern=rf"^{_DOLLARS.pattern}$")]),
]


def _within_range(cents: int) -> int:
    if cents > CENTS_MAX:
        raise ValueError("the amount is out of range")
    return cents


class AutoRecharge(Strict):
    enabled: bool | None = None
    threshold_usd: Annotated[Dollars, Field(ge=0), AfterValidator(_within_range)] | None = None
    topup_usd: Annotated[Dollars, Field(gt=0), AfterValidator(_within_range)] | None = None


class WalletTopUp(Strict):
    """Of whatever size: what is too much is 400 `invalid_amount`, as in §5."""

    amount_usd: Dollars
    payment_method_id: CardId | None = None
    idempotency_key: str | None = None
    currency: str | None = None


def build_router(context: Context) -> APIRouter:
    router = APIRouter(prefix="/v1/wallet", tags=["wallet"], route_class=PaymentsRoute)
    account = account_asked_about(context.host.access)

    async def wallet_answer(account_id: str) -> Response:
        return OrjsonResponse(account_object.wallet_json(await account_object.billing_state(context, account_id)))

    @router.get("", summary="The wallet")
    async def wallet(account_id: str = account) -> Response:
        return await wallet_answer(account_id)

    @router.patch("/auto-recharge", summary="Enable, disable, reconfigure auto-recharge")
    async def auto_recharge(body: AutoRecharge, account_id: str = account) -> Response:
        change = Change(
            names=("threshold_usd", "topup_usd"),
            enabled=body.enabled,
            minimum_cents=body.threshold_usd,
            amount_cents=body.topup_usd,
        )
        await change_policy(context, account_id, change)
        return await wallet_answer(account_id)

    @router.post(
        "/topup", status_code=201, summary="Charge a card and credit the balance", openapi_extra=TAKES_IDEMPOTENCY_KEY
    )
    async def topup(request: Request, body: WalletTopUp, account_id: str = account) -> Response:
        refuse_other_currency(body.currency)
        key = idempotency_key(request, body.idempotency_key)
        wanted = topups.TopUp(account_id, ROUTE_TOPUP, body.amount_usd, body.payment_method_id, key)
        return created(await topups.top_up(context, wanted, is_gone=request.is_disconnected))

    return router
