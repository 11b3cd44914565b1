"""Sign-in: a link made by the platform, used once, becomes a cookie (contract §0 Auth, §4)."""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from services.portal import sessions
from services.portal.context import PortalContext
from services.portal.sessions import Entered
from services.portal.store import QUERIES
from shared.clock import rfc3339
from shared.contracts.fields_v1 import Strict, Text
from shared.http_app import OrjsonResponse
from shared.http_errors import forbidden
from shared.sessions import COOKIE

OVER = (
    "This sign-in link can’t be used any more",
    "A link works once, and only for a few minutes. Go back to where you found it and open a fresh one.",
)
HOMES = {"ops": "/ops", "agency": "/agency", "account": "/billing"}


class SignInLink(BaseModel):
    """Shown once. Whoever opens `url` first, before it expires, is signed in for half an hour."""

    url: str
    expires_at: str


class OpsSession(Strict):
    """`operator` names the person: what they do on the page is written down under this name."""

    operator: Text


def build_router(context: PortalContext) -> APIRouter:
    router = APIRouter()
    access = context.host.access

    async def platform_only(request: Request) -> None:
        await access.platform(request.headers.get("authorization"))

    @router.post(
        "/v1/accounts/{account_id}/portal-sessions",
        status_code=201,
        response_model=SignInLink,
        tags=["accounts"],
        summary="A one-use link that signs an account's owner in",
    )
    async def portal_session(request: Request, account_id: str) -> Response:
        principal = await access.principal(request.headers.get("authorization"))
        if principal.kind == "account":
            raise forbidden()
        await access.require_reach(principal, account_id)
        return await _link(context, request, account_id=account_id, operator=None)

    @router.post(
        "/v1/ops-sessions",
        status_code=201,
        response_model=SignInLink,
        tags=["operations"],
        summary="A one-use link that signs an operator in",
        dependencies=[Depends(platform_only)],
    )
    async def ops_session(request: Request, body: OpsSession) -> Response:
        return await _link(context, request, account_id=None, operator=body.operator)

    @router.get("/signin/{token}", include_in_schema=False)
    async def sign_in(request: Request, token: str) -> Response:
        entered = await sessions.enter(
            context.pool, token, session_seconds=context.settings.session_seconds, now=context.host.clock.now()
        )
        if entered is None:
            return context.pages.show(request, "message.html", status=410, heading=OVER[0], text=OVER[1])
        answer = RedirectResponse(HOMES[await _home_kind(context, entered)], status_code=303)
        answer.set_cookie(
            COOKIE,
            entered.cookie,
            max_age=context.settings.session_seconds,
            httponly=True,
            samesite="lax",
            secure=_base_url(context, request).startswith("https://"),
            path="/",
        )
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer

    return router


async def _link(
    context: PortalContext, request: Request, *, account_id: str | None, operator: str | None
) -> OrjsonResponse:
    link = await sessions.open_session(
        context.pool,
        account_id=account_id,
        operator=operator,
        link_seconds=context.settings.link_seconds,
        now=context.host.clock.now(),
    )
    url = f"{_base_url(context, request)}/signin/{link.token}"
    return OrjsonResponse({"url": url, "expires_at": rfc3339(link.expires_at)}, status_code=201)


async def _home_kind(context: PortalContext, entered: Entered) -> str:
    if entered.account_id is None:
        return "ops"
    tenant = await context.pool.fetchrow(QUERIES.tenant, entered.account_id)
    assert tenant is not None, "accounts are never deleted"
    return "agency" if tenant["is_agency"] else "account"


def _base_url(context: PortalContext, request: Request) -> str:
    return (context.settings.public_url or str(request.base_url)).rstrip("/")
