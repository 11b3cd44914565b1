"""What the routes have in common: who asks, for which agency and client, paging, books out of reach."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import AfterValidator, Field, StringConstraints

from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.stories import QUERIES
from shared.access import Principal
from shared.contracts.fields_v1 import Text, is_caller_id
from shared.http_errors import ApiError, forbidden, not_found
from shared.money import micros_of_price
from shared.openapi import AccountNamed

CENTS_MAX = 10**9
MINUTES_MAX = 10_000_000
DAYS_MAX = 365
RATE_MICROS_MAX = 10_000 * 1_000_000

Cents = Annotated[int, Field(ge=0, le=CENTS_MAX)]
Minutes = Annotated[int, Field(ge=0, le=MINUTES_MAX)]
Days = Annotated[int, Field(ge=0, le=DAYS_MAX)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]{1,11}$")]
"""An ISO code, or a code the agency names, such as USDT."""


def _rate(text: str) -> str:
    if micros_of_price(text) > RATE_MICROS_MAX:
        raise ValueError("a minute costs at most 10000")
    return text


Rate = Annotated[str, AfterValidator(_rate)]
"""A price of a minute: a decimal string, at most six decimals."""

Name = Annotated[Text, StringConstraints(max_length=200)]


@dataclass(frozen=True, slots=True)
class Client:
    """The client a request is about, its agency, and whether the client itself asks."""

    account_id: str
    agency_id: str
    asks_itself: bool


async def principal_of(context: SubscriptionsContext, request: Request) -> Principal:
    """Who asks; the one place where these routes learn it."""
    return await context.host.access.principal(request.headers.get("authorization"))


def agency_of(context: SubscriptionsContext) -> Any:
    """A dependency: the agency a request is about. Its own key; a platform key names it in Ringfence-Account.

    Raises 403 for other accounts' keys, 422 `account_required`, 404 for what is no agency.
    """

    async def find(request: Request, named: AccountNamed = None) -> str:
        principal = await principal_of(context, request)
        if principal.kind == "agency" and principal.account_id is not None:
            if named not in (None, principal.account_id):
                raise not_found("account")
            return principal.account_id
        if principal.kind != "platform":
            raise forbidden()
        if named is None:
            raise ApiError(422, "account_required", "Name the agency in the header Ringfence-Account.")
        tenant = await context.pool.fetchrow(QUERIES.tenant, named) if is_caller_id(named) else None
        if tenant is None or not tenant["is_agency"]:
            raise not_found("agency")
        return named

    return Depends(find)


def client_in_path(context: SubscriptionsContext, *, client_may: bool) -> Any:
    """A dependency for `/v1/clients/{client_id}/…`: a client of the agency that asks, or the client itself.

    Raises 404 for everything else, also for another's client, and 403 where only the agency may.
    """

    async def find(request: Request, client_id: str) -> Client:
        principal = await principal_of(context, request)
        client = await find_client(context, principal, client_id)
        if client.asks_itself and not client_may:
            raise forbidden()
        return client

    return Depends(find)


async def find_client(context: SubscriptionsContext, principal: Principal, account_id: str) -> Client:
    """The client, if the principal may see it; raises 404."""
    tenant = await context.pool.fetchrow(QUERIES.tenant, account_id) if is_caller_id(account_id) else None
    if tenant is None or tenant["parent_id"] is None:
        raise not_found("client")
    is_own = principal.account_id == account_id
    if principal.kind != "platform" and not is_own and principal.account_id != tenant["parent_id"]:
        raise not_found("client")
    return Client(account_id, tenant["parent_id"], asks_itself=is_own)
