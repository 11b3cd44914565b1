"""`/v1/accounts`: open, read, change, suspend, adjust (contract §4; platform key)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from services.ledger import accounts
from services.ledger.accounts import Opening
from services.ledger.api_edge import Cents, SignedCents, books_router, known_id, platform_account, secret_of_request
from services.ledger.context import LedgerContext
from services.ledger.keys import add_account_key, new_salt, secret_from
from services.ledger.postings import post_adjustment
from shared.access import secret_hash
from shared.api_edge import Limit, Offset, answered, attempt_of, platform_only, sends_integer_id
from shared.contracts.fields_v1 import CallerId, Strict, Text
from shared.contracts.ledger_api_v1 import Account, OpenedAccount, Page, Transaction
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError
from shared.openapi import TAKES_IDEMPOTENCY_KEY
from shared.postgres.idempotency import Answer, once
from shared.postgres.pool import Connection, transaction
from shared.rating.hours_text import time_zone_name

CALLS_MAX = 1_000_000
CREATE, ADJUST = "POST /v1/accounts", "POST /v1/accounts/{account_id}/adjustments"
PLATFORM = "platform"
"""Whose Idempotency-Keys those of requests are that are about no account yet."""

Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
InboundPolicy = Literal["reject", "allow"]
Calls = Annotated[int, Field(ge=0, le=CALLS_MAX)]
TimeZone = Annotated[str, AfterValidator(time_zone_name)]


def _not_zero(cents: int) -> int:
    if cents == 0:
        raise ValueError("must not be 0")
    return cents


class NewAccount(Strict):
    """`currency` is there to be refused: a wallet holds US dollars."""

    id: CallerId | None = None
    name: Text
    email: Email | None = None
    parent_id: CallerId | None = None
    agency: bool = False
    timezone: TimeZone = "UTC"
    currency: Text = "usd"
    credit_limit_cents: Cents = 0
    inbound_policy: InboundPolicy = "reject"
    auto_charge: bool | None = None
    settle_negative: bool | None = None
    low_balance_cents: Cents | None = None
    monthly_spend_limit_cents: Cents | None = None
    max_concurrent_calls: Calls | None = None
    signup_credit_cents: Cents | None = None

    def opening(self, *, has_integer_id: bool) -> Opening:
        """The same as the ledger's own value. Raises 422 `currency_not_supported`."""
        _only_usd(self.currency)
        fields = self.model_dump(exclude={"id", "agency", "currency"})
        return Opening(account_id=self.id, has_integer_id=has_integer_id, is_agency=self.agency, **fields)


class AccountChange(Strict):
    """Only the fields that are sent change; null takes back what may be absent. `currency` is there to be refused."""

    name: Text = ""
    currency: Text = "usd"
    email: Email | None = None
    timezone: TimeZone = "UTC"
    credit_limit_cents: Cents = 0
    inbound_policy: InboundPolicy = "reject"
    auto_charge: bool = False
    settle_negative: bool = False
    low_balance_cents: Cents = 0
    monthly_spend_limit_cents: Cents | None = None
    max_concurrent_calls: Calls | None = None
    disabled: bool = False


class Suspension(Strict):
    reason: Text


class Adjustment(Strict):
    """Cents given (positive) or taken (negative); zero is refused."""

    amount_cents: Annotated[SignedCents, AfterValidator(_not_zero)]
    description: Text


def _only_usd(currency: str) -> None:
    if currency.lower() != "usd":
        raise ApiError(422, "currency_not_supported", "Accounts are in usd.")


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(prefix="/v1/accounts", tags=["accounts"])
    pool, clock = context.pool, context.host.clock
    is_platform, account_in_path = platform_only(context.host.access), platform_account(context)

    @router.post(
        "",
        response_model=OpenedAccount,
        status_code=201,
        summary="Open an account",
        dependencies=[is_platform],
        openapi_extra=TAKES_IDEMPOTENCY_KEY,
    )
    async def create(request: Request, body: NewAccount) -> Response:
        now = clock.now()
        opening = body.opening(has_integer_id=await sends_integer_id(request))
        maker = secret_of_request(request)

        async def work(connection: Connection) -> Answer:
            account_id = await accounts.open_account(connection, opening, settings=context.settings, now=now)
            salt = new_salt()
            secret = secret_from(maker, salt)
            await add_account_key(connection, account_id, secret, name="first key", now=now)
            account = await accounts.account_json(connection, account_id)
            return Answer(201, {**account, "api_key": {"salt": salt, "hash": secret_hash(secret).hex()}})

        answer = await once(pool, await attempt_of(request, CREATE, account_id=PLATFORM), now, work)
        context.host.announcer.tell([str(answer.body["account_id"])])
        answer.body["api_key"] = _shown_once(answer.body["api_key"], maker)
        return answered(answer)

    @router.get("", response_model=Page[Account], summary="List accounts", dependencies=[is_platform])
    async def list_all(limit: Limit = 50, offset: Offset = 0, parent_id: str | None = None) -> Response:
        if parent_id is not None:
            known_id(parent_id, "account")
        async with pool.acquire() as connection:
            page = await accounts.list_accounts(connection, parent_id=parent_id, limit=limit, offset=offset)
        return OrjsonResponse(page)

    @router.get("/{account_id}", response_model=Account, summary="Read an account")
    async def read(account_id: str = account_in_path) -> Response:
        async with pool.acquire() as connection:
            return OrjsonResponse(await accounts.account_json(connection, account_id))

    @router.patch("/{account_id}", response_model=Account, summary="Change an account")
    async def change(body: AccountChange, account_id: str = account_in_path) -> Response:
        _only_usd(body.currency)
        sent = body.model_dump(include=body.model_fields_set - {"currency"})
        async with transaction(pool) as connection:
            changed = await accounts.change_account(connection, account_id, sent, now=clock.now())
        context.host.announcer.tell([account_id])
        return OrjsonResponse(changed)

    @router.post("/{account_id}/suspend", response_model=Account, summary="Suspend an account by hand")
    async def suspend(body: Suspension, account_id: str = account_in_path) -> Response:
        async with transaction(pool) as connection:
            account = await accounts.suspend_by_hand(connection, account_id, body.reason, now=clock.now())
        context.host.announcer.tell([account_id])
        return OrjsonResponse(account)

    @router.post("/{account_id}/reinstate", response_model=Account, summary="Lift an account's suspension by hand")
    async def reinstate(account_id: str = account_in_path) -> Response:
        async with transaction(pool) as connection:
            account = await accounts.reinstate_by_hand(connection, account_id, now=clock.now())
        context.host.announcer.tell([account_id])
        return OrjsonResponse(account)

    @router.post(
        "/{account_id}/adjustments",
        response_model=Transaction,
        status_code=201,
        summary="Give or take money by hand",
        openapi_extra=TAKES_IDEMPOTENCY_KEY,
    )
    async def adjust(request: Request, body: Adjustment, account_id: str = account_in_path) -> Response:
        now = clock.now()

        async def work(connection: Connection) -> Answer:
            posted = await post_adjustment(
                connection, account_id, amount_cents=body.amount_cents, description=body.description, now=now
            )
            return Answer(201, posted)

        answer = await once(pool, await attempt_of(request, ADJUST, account_id=account_id), now, work)
        context.host.announcer.tell([account_id])
        return answered(answer)

    return router


def _shown_once(sealed: dict[str, Any], maker_secret: str) -> str | None:
    """The new key's secret again; None when another key asks, which could not have made it."""
    secret = secret_from(maker_secret, sealed["salt"])
    return secret if secret_hash(secret).hex() == sealed["hash"] else None
