"""What the ledger's routes have in common: who may ask, paging, idempotency, books out of reach."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from services.ledger.context import LedgerContext
from services.ledger.settings import CENTS_MAX
from shared.access import secret_of
from shared.api_edge import BooksRoute
from shared.contracts.fields_v1 import is_caller_id
from shared.contracts.ledger_api_v1 import Refusal
from shared.http_errors import ApiError, not_found

EVENTS_MAX = 1_000
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Refusal, "description": "Refused; the code says why."},
    503: {"model": Refusal, "description": "Out of reach: nothing is done, try again."},
}


Cents = Annotated[int, Field(ge=0, le=CENTS_MAX)]
SignedCents = Annotated[int, Field(ge=-CENTS_MAX, le=CENTS_MAX)]


def books_router(**options: Any) -> APIRouter:
    """A router of such routes, with the refusals any of them may give in its OpenAPI description."""
    return APIRouter(route_class=BooksRoute, responses=REFUSALS, **options)


def refuse_too_many_events(events: Sequence[object]) -> None:
    """Raises 413: a body holds at most EVENTS_MAX events (contract §0, Errors)."""
    if len(events) > EVENTS_MAX:
        raise ApiError(413, "body_too_large", f"A request holds at most {EVENTS_MAX} events.", limit_events=EVENTS_MAX)


def platform_account(context: LedgerContext) -> Any:
    """A dependency for `/v1/accounts/{account_id}/…`: a platform key, and an account that exists (404)."""

    async def account_in_path(request: Request, account_id: str) -> str:
        principal = await context.host.access.platform(request.headers.get("authorization"))
        await context.host.access.require_reach(principal, account_id)
        return account_id

    return Depends(account_in_path)


def secret_of_request(request: Request) -> str:
    """The key the request came with, already known to be good."""
    return secret_of(request.headers.get("authorization"))


def known_id(text: str, what: str) -> str:
    """An id in a path or query; what can't be an id names nothing: 404."""
    if not is_caller_id(text):
        raise not_found(what)
    return text
