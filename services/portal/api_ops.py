"""`/ops`: what needs an operator's eye, and the few things to be done about it (contract §8)."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.portal import dead_letters
from services.portal.api_edge import page_router
from services.portal.asking import NotSignedIn
from services.portal.context import PortalContext
from services.portal.dead_letters import Letter
from services.portal.store import QUERIES
from shared.contracts.queues_v1 import WORK_QUEUES
from shared.http_errors import ApiError, not_found
from shared.messaging.errors import MessagingError
from shared.session_access import cookie_of
from shared.sessions import Session

SHOWN: Final = 25
STUCK_AFTER: Final = timedelta(minutes=5)
ACTIONS: Final = ("replay", "accept", "discard")


def build_router(context: PortalContext) -> APIRouter:
    router = page_router(context)

    @router.get("/ops")
    async def overview(request: Request) -> Response:
        session = await operator_of(context, request)
        return context.pages.show(request, "ops.html", session=session, **await _overview(context))

    @router.get("/ops/dead/{queue}")
    async def letters(request: Request, queue: str) -> Response:
        session = await operator_of(context, request)
        found = await dead_letters.look(context.host.broker, _known(queue))
        reasons = Counter(letter.reason for letter in found)
        return context.pages.show(
            request, "ops_dead.html", session=session, queue=queue, letters=found, reasons=reasons
        )

    @router.post("/ops/dead/{queue}")
    async def settle(request: Request, queue: str) -> Response:
        """One letter (`letter`), or all of a reason (`all_of`): replayed, accepted or discarded, and written down."""
        session = await operator_of(context, request)
        form = await request.form()
        asked = _asked(session, form)
        detail = {"queue": _known(queue), "letter": asked["letter"], "all_of": asked["all_of"]}
        # Written down first: what was done is never without its who and why.
        await context.pool.execute(
            QUERIES.write_audit,
            session.operator,
            f"{asked['action']} {'one dead letter' if asked['letter'] else 'dead letters'}",
            asked["reason"],
            orjson.dumps(detail).decode(),
            context.host.clock.now(),
        )
        await dead_letters.settle(
            context.host.broker,
            queue,
            _wanted(asked),
            replays=asked["action"] != "discard",
            accepts=asked["action"] == "accept",
        )
        return RedirectResponse(f"/ops/dead/{queue}", status_code=303)

    return router


async def operator_of(context: PortalContext, request: Request) -> Session:
    """Who operates; raises `NotSignedIn`, also for an account's session."""
    session = await context.host.sessions.of_cookie(cookie_of(dict(request.scope)))
    if session is None or session.operator is None:
        raise NotSignedIn
    return session


def _known(queue: str) -> str:
    if queue not in WORK_QUEUES:
        raise not_found("queue")
    return queue


def _asked(session: Session, form: Mapping[str, Any]) -> dict[str, str]:
    """What the form says; raises 403 without the page's token, 422 without a reason or for an unknown action."""
    asked = {name: str(form.get(name, "")).strip() for name in ("csrf", "action", "reason", "letter", "all_of")}
    if not session.is_page_token(asked["csrf"]):
        raise ApiError(403, "forbidden", "The page's token is missing or not valid; load the page again.")
    if not asked["reason"] or len(asked["reason"]) > 500:
        raise ApiError(422, "invalid_request", "Say why, in at most 500 characters.")
    if asked["action"] not in ACTIONS or not (asked["letter"] or asked["all_of"]):
        raise ApiError(422, "invalid_request", "Choose what is to be done with which letters.")
    return asked


def _wanted(asked: Mapping[str, str]) -> Any:
    def wanted(letter: Letter) -> bool:
        return letter.digest == asked["letter"] if asked["letter"] else letter.reason == asked["all_of"]

    return wanted


async def _overview(context: PortalContext) -> dict[str, Any]:
    now, pool = context.host.clock.now(), context.pool
    try:
        queues = await dead_letters.depths(context.host.broker)
    except MessagingError:
        queues = None
    books = await pool.fetchrow(QUERIES.books_check)
    return {
        "queues": queues,
        "rejections": await pool.fetch(QUERIES.rejections, SHOWN),
        "charges": await pool.fetch(QUERIES.open_charges, now - STUCK_AFTER, SHOWN),
        "holds": await pool.fetch(QUERIES.orphaned_holds, now, SHOWN),
        "ticks": await pool.fetch(QUERIES.ticks),
        "books": books,
        "findings": [] if books is None else orjson.loads(books["findings"]),
        "log": [{**row, "detail": orjson.loads(row["detail"])} for row in await pool.fetch(QUERIES.audit_log, SHOWN)],
        "now": now,
    }
