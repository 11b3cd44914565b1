"""`/ops`: what needs an operator's eye, and the few things to be done about it (contract §8)."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import FormData

from services.portal import queues
from services.portal.api_edge import page_router
from services.portal.asking import NotSignedIn
from services.portal.context import PortalContext
from services.portal.operations import overview
from services.portal.store import QUERIES
from shared.contracts.queues_v1 import WORK_QUEUES
from shared.http_errors import ApiError, not_found
from shared.messaging.dead_letters import Letter
from shared.messaging.errors import MessagingError
from shared.session_access import cookie_of
from shared.sessions import Session

REASON_LENGTH_MAX: Final = 500
ACTIONS: Final = ("replay", "accept", "discard")
OUT_OF_REACH: Final = "RabbitMQ can’t be reached now, or did not confirm. Nothing is lost; please try again."


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operator wants done: with these letters (by mark), or with all of a reason."""

    action: str
    reason: str
    letters: frozenset[str]
    all_of: str

    def wants(self, letter: Letter) -> bool:
        return letter.mark in self.letters if self.letters else letter.reason == self.all_of


def build_router(context: PortalContext) -> APIRouter:
    router = page_router(context)

    @router.get("/ops")
    async def ops(request: Request) -> Response:
        session = await operator_of(context, request)
        return context.pages.show(request, "ops.html", session=session, **await overview(context))

    @router.get("/ops/dead/{queue}")
    async def letters(request: Request, queue: str) -> Response:
        session = await operator_of(context, request)
        try:
            found = await queues.dead_letters(context.host.broker, _known(queue))
        except MessagingError:
            raise ApiError(503, "unavailable", OUT_OF_REACH) from None
        ages = {letter.mark: queues.age_of(letter, context.host.clock) for letter in found.shown}
        query = request.query_params
        done = query["done"] if query.get("done", "").isdecimal() else None
        return context.pages.show(
            request, "ops_dead.html", session=session, queue=queue, found=found, ages=ages, done=done,
            action=query.get("action", "") if query.get("action") in ACTIONS else "",
        )  # fmt: skip

    @router.post("/ops/dead/{queue}")
    async def settle(request: Request, queue: str) -> Response:
        """Letters replayed, accepted or discarded, and written down."""
        session = await operator_of(context, request)
        asked = _asked(session, await request.form())
        detail = {"queue": _known(queue), "letters": sorted(asked.letters), "all_of": asked.all_of}
        # Written down first: what was done is never without its who and why.
        await context.pool.execute(
            QUERIES.write_audit,
            session.operator,
            asked.action,
            asked.reason,
            orjson.dumps(detail).decode(),
            context.host.clock.now(),
        )
        try:
            done = await queues.settle(context.host.broker, queue, asked.wants, action=asked.action)
        except MessagingError:
            raise ApiError(503, "unavailable", OUT_OF_REACH) from None
        told = urlencode({"done": done, "action": asked.action})
        return RedirectResponse(f"/ops/dead/{queue}?{told}", status_code=303)

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


def _asked(session: Session, form: FormData) -> Asked:
    """What the form says; raises 403 without the page's token, 422 without a reason or for an unknown action.

    `only`: this letter, whatever else is ticked; `letter`: those that are ticked; `all_of`: all with this reason.
    """
    token, action, reason, only, all_of = (
        str(form.get(name, "")).strip() for name in ("csrf", "action", "reason", "only", "all_of")
    )
    if not session.is_page_token(token):
        raise ApiError(403, "forbidden", "The page's token is missing or not valid; load the page again.")
    if not reason or len(reason) > REASON_LENGTH_MAX:
        raise ApiError(422, "invalid_request", f"Say why, in at most {REASON_LENGTH_MAX} characters.")
    ticked = frozenset([only] if only else [] if all_of else [str(mark) for mark in form.getlist("letter") if mark])
    if action not in ACTIONS or not (ticked or all_of):
        raise ApiError(422, "invalid_request", "Choose what is to be done with which letters.")
    return Asked(action, reason, ticked, all_of)
