"""`/billing/setup-checkout`: where the low-balance notice leads (contract §5, notice)."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.payments.api_edge import PaymentsRoute
from services.payments.context import Context
from services.payments.hosted_setup import BILLING_PAGE, fresh_setup_checkout
from shared.session_access import cookie_of


def build_router(context: Context) -> APIRouter:
    router = APIRouter(tags=["pages"], route_class=PaymentsRoute)

    @router.get(
        "/billing/setup-checkout",
        status_code=303,
        response_class=RedirectResponse,
        summary="To a fresh hosted page on which to save a card",
    )
    async def setup_checkout(request: Request) -> Response:
        account_id = await _account_of(context, request)
        if account_id is None:
            # Nobody is signed in: the billing page says what to do.
            return RedirectResponse(BILLING_PAGE, status_code=303)
        url = await fresh_setup_checkout(context, account_id, base_url=str(request.base_url))
        return RedirectResponse(url, status_code=303)

    return router


async def _account_of(context: Context, request: Request) -> str | None:
    """The account that is signed in, or whose key was sent; None when there is neither."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        principal = await context.host.access.principal(authorization)
        return await context.host.access.account_id(principal, request.headers.get("ringfence-account"))
    session = await context.host.sessions.of_cookie(cookie_of(dict(request.scope)))
    return None if session is None else session.account_id
