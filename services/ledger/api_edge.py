"""What the ledger's routes have in common: who may ask, paging, idempotency, books out of reach."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import Field

from services.ledger.context import LedgerContext
from services.ledger.settings import CENTS_MAX
from shared.access import Principal, secret_of
from shared.contracts.fields_v1 import is_caller_id
from shared.contracts.ledger_api_v1 import Refusal
from shared.edge import parse_body
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError, not_found
from shared.openapi import AccountNamed
from shared.postgres.idempotency import Answer, Attempt, attempt
from shared.postgres.pool import OUTAGES

LIMIT_MAX = 200
OFFSET_MAX = 10**9
EVENTS_MAX = 1_000
REFUSALS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Refusal, "description": "Refused; the code says why."},
    503: {"model": Refusal, "description": "Out of reach: nothing is done, try again."},
}
RETRY_AFTER = {"Retry-After": "1"}

log = structlog.get_logger(__name__)

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Offset = Annotated[int, Query(ge=0, le=OFFSET_MAX)]
Cents = Annotated[int, Field(ge=0, le=CENTS_MAX)]
SignedCents = Annotated[int, Field(ge=-CENTS_MAX, le=CENTS_MAX)]


class BooksRoute(APIRoute):
    """A route that answers 503 `billing_unavailable` when the books are out of reach: try again, nothing is done."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer_or_unavailable(request: Request) -> Response:
            try:
                return await handler(request)
            except OUTAGES as outage:
                log.warning("books_out_of_reach", path=request.url.path, error=repr(outage))
                raise unavailable() from None

        return answer_or_unavailable


def books_router(**options: Any) -> APIRouter:
    """A router of such routes, with the refusals any of them may give in its OpenAPI description."""
    return APIRouter(route_class=BooksRoute, responses=REFUSALS, **options)


def unavailable() -> ApiError:
    """503: what is needed for an answer can't be reached now."""
    return ApiError(503, "billing_unavailable", "Billing is out of reach; try again.", headers=RETRY_AFTER)


def refuse_too_many_events(events: Sequence[object]) -> None:
    """Raises 413: a body holds at most EVENTS_MAX events (contract §0, Errors)."""
    if len(events) > EVENTS_MAX:
        raise ApiError(413, "body_too_large", f"A request holds at most {EVENTS_MAX} events.", limit_events=EVENTS_MAX)


def platform_only(context: LedgerContext) -> Any:
    """A dependency that lets only a platform key pass; raises 401 or 403."""

    async def require_platform(request: Request) -> Principal:
        return await context.host.access.platform(request.headers.get("authorization"))

    return Depends(require_platform)


def platform_account(context: LedgerContext) -> Any:
    """A dependency for `/v1/accounts/{account_id}/…`: a platform key, and an account that exists (404)."""

    async def account_in_path(request: Request, account_id: str) -> str:
        principal = await context.host.access.platform(request.headers.get("authorization"))
        await context.host.access.require_reach(principal, account_id)
        return account_id

    return Depends(account_in_path)


def account_asked_about(context: LedgerContext) -> Any:
    """A dependency for §5 and §6: the account of the key, or the one named in the header Ringfence-Account."""

    async def account_of_request(request: Request, named: AccountNamed = None) -> str:
        principal = await context.host.access.principal(request.headers.get("authorization"))
        return await context.host.access.account_id(principal, named)

    return Depends(account_of_request)


def secret_of_request(request: Request) -> str:
    """The key the request came with, already known to be good."""
    return secret_of(request.headers.get("authorization"))


async def attempt_of(request: Request, route: str, *, account_id: str) -> Attempt:
    """The request as idempotency sees it: its key, its path and its body."""
    body = await request.body()
    what = [request.url.path, parse_body(body) if body else None]
    return attempt(account_id=account_id, route=route, key=request.headers.get("idempotency-key"), request=what)


def answered(answer: Answer) -> Response:
    """An answer, with the header that tells a replay."""
    return OrjsonResponse(answer.body, status_code=answer.status, headers=answer.headers)


def known_id(text: str, what: str) -> str:
    """An id in a path or query; what can't be an id names nothing: 404."""
    if not is_caller_id(text):
        raise not_found(what)
    return text
