"""What the routes of several services have in common: who may ask, paging, idempotency, books out of reach."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import structlog
from fastapi import Depends, Query, Request, Response
from fastapi.routing import APIRoute

from shared.access import Access, Principal
from shared.edge import parse_body
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError
from shared.openapi import AccountNamed
from shared.postgres.idempotency import Answer, Attempt, attempt
from shared.postgres.pool import OUTAGES

LIMIT_MAX = 200
OFFSET_MAX = 10**9

log = structlog.get_logger(__name__)

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
Offset = Annotated[int, Query(ge=0, le=OFFSET_MAX)]


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


def unavailable() -> ApiError:
    """503: what is needed for an answer can't be reached now."""
    return ApiError(503, "billing_unavailable", "Billing is out of reach; try again.", headers={"Retry-After": "1"})


def platform_only(access: Access) -> Any:
    """A dependency that lets only a platform key pass; raises 401 or 403."""

    async def require_platform(request: Request) -> Principal:
        return await access.platform(request.headers.get("authorization"))

    return Depends(require_platform)


def account_asked_about(access: Access) -> Any:
    """A dependency for §5 and §6: the account of the key, or the one named in the header Ringfence-Account."""

    async def account_of_request(request: Request, named: AccountNamed = None) -> str:
        principal = await access.principal(request.headers.get("authorization"))
        return await access.account_id(principal, named)

    return Depends(account_of_request)


async def sends_integer_id(request: Request) -> bool:
    """Whether the `id` in a body is a JSON integer: it is the same id as its text, and shown as it was sent."""
    return isinstance(parse_body(await request.body()).get("id"), int)


async def attempt_of(request: Request, route: str, *, account_id: str) -> Attempt:
    """The request as idempotency sees it: its key, its path and its body."""
    body = await request.body()
    what = [request.url.path, parse_body(body) if body else None]
    return attempt(account_id=account_id, route=route, key=request.headers.get("idempotency-key"), request=what)


def answered(answer: Answer) -> Response:
    """An answer, with the header that tells a replay."""
    return OrjsonResponse(answer.body, status_code=answer.status, headers=answer.headers)
