"""`GET /v1/events`: an account's events as they happen, for browsers (contract §3)."""

import re
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from services.portal.context import PortalContext
from services.portal.streams import MayStay
from shared.http_errors import ApiError
from shared.openapi import AccountNamed
from shared.sessions import Session

SEQ = re.compile(r"[0-9]{1,18}")
DESCRIPTION = """Frames `id: <n>` (rises per account over all types), `event: <type>`, `data: <CloudEvent>`. The first
is `balance_changed` with the present state; with the header `Last-Event-ID` what followed that event (24 h) comes
after it. A comment comes every 15 s."""


def build_router(context: PortalContext) -> APIRouter:
    router = APIRouter(tags=["events"])
    access, streams, settings = context.host.access, context.streams, context.settings

    @router.get(
        "/v1/events",
        summary="An account's events as they happen (server-sent events)",
        description=DESCRIPTION,
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def events(request: Request, named: AccountNamed = None) -> Response:
        cors = cors_headers(request, context)
        authorization = request.headers.get("authorization")
        principal = await access.principal(authorization)
        account_id = await access.account_id(principal, named)
        streams.refuse_too_many(account_id)
        frames = streams.follow(account_id, last_event_id(request.headers), _may_stay(context, request))
        return EventSourceResponse(
            frames,
            headers={**cors, "Cache-Control": "no-store"},
            ping=settings.heartbeat_seconds,
            ping_message_factory=lambda: ServerSentEvent(comment="still here", sep="\n"),
            sep="\n",
        )

    @router.options("/v1/events", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        allowed = {
            "Access-Control-Allow-Methods": "GET",
            "Access-Control-Allow-Headers": "Authorization, Ringfence-Account, Last-Event-ID",
            "Access-Control-Max-Age": "600",
        }
        cors = cors_headers(request, context)
        return Response(status_code=204, headers={**cors, **allowed} if cors else {})

    return router


def last_event_id(headers: Mapping[str, str]) -> int | None:
    """The number a reader has seen last; anything else is as if it had sent none."""
    text = headers.get("last-event-id", "")
    return int(text) if SEQ.fullmatch(text) else None


def cors_headers(request: Request, context: PortalContext) -> dict[str, str]:
    """What lets a page of another origin read us; raises 403 for an origin that is not allowed."""
    origin = request.headers.get("origin")
    ours = {str(request.base_url).rstrip("/"), (context.settings.public_url or "").rstrip("/")}
    if origin is None or origin in ours:
        return {}
    if origin not in context.settings.allowed_origins:
        raise ApiError(403, "origin_not_allowed", "Pages of this origin may not read events.")
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def _may_stay(context: PortalContext, request: Request) -> MayStay:
    """Whether who opened the stream may still read it: the session runs, or the key is good."""
    session: Session | None = getattr(request.state, "session", None)
    authorization = request.headers.get("authorization")

    async def may_stay() -> bool:
        if session is not None:
            return session.expires_at > context.host.clock.now()
        try:
            await context.host.access.principal(authorization)
        except ApiError:
            return False
        return True

    return may_stay
