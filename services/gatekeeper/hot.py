"""The gate over HTTP: a plain ASGI application, because a framework would cost more than the decision.

The routes are declared to FastAPI in `api`, for the document alone; a test compares the two.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, cast

import orjson
import structlog

from services.gatekeeper import reads
from services.gatekeeper.answers import UNAVAILABLE, UNAVAILABLE_CODE, Answer, answer_of_error
from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.gate import Gate
from services.gatekeeper.metrics import METRICS
from services.gatekeeper.reads import Reader
from services.gatekeeper.requests import read_check, read_extension, read_release
from shared.access import Access, Principal
from shared.contracts.checks_v1 import Kind
from shared.edge import _REQUEST_ID as REQUEST_ID
from shared.edge import BODY_BYTES_MAX, Receive, Send, parse_body, read_body
from shared.http_errors import ApiError, forbidden, not_found
from shared.postgres.pool import OUTAGES
from shared.tasks import look_at

KINDS: Final[tuple[Kind, ...]] = ("call", "sms", "chat", "campaign")
PREFIX: Final = "/v1/checks/"
ROUTES: Final = (
    ("POST", "/v1/checks/call"),
    ("POST", "/v1/checks/sms"),
    ("POST", "/v1/checks/chat"),
    ("POST", "/v1/checks/campaign"),
    ("POST", "/v1/checks/call/{call_id}/extend"),
    ("POST", "/v1/checks/{kind}/{id}/release"),
    ("GET", "/v1/checks/{kind}/{id}"),
    ("GET", "/v1/holds"),
)
"""All that is served here."""

Handle = Callable[[dict[str, Any], Receive, float], Awaitable[Answer]]
"""The request, and the seconds of its deadline that looking up the key has taken."""

log = structlog.get_logger(__name__)


class HotRoutes:
    """Answers everything under /v1/checks/ and /v1/holds."""

    def __init__(self, gate: Gate, access: Access, reader: Reader, *, deadline_seconds: float) -> None:
        self._gate = gate
        self._access = access
        self._reader = reader
        self._deadline_seconds = deadline_seconds
        self._checks = {f"{PREFIX}{kind}": ("POST", self._asks(partial(read_check, kind))) for kind in KINDS}
        self._lookups: dict[str, asyncio.Task[Principal]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        authorization = request_id = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value.decode("latin-1")
            elif name == b"x-request-id" and REQUEST_ID.fullmatch(value):
                request_id = value
        try:
            answer = await self._answer(scope, receive, authorization)
        except ApiError as error:
            answer = answer_of_error(error)
        except OUTAGES as outage:
            log.warning("books_out_of_reach", path=scope["path"], error=repr(outage))
            METRICS.decisions["none", UNAVAILABLE_CODE] += 1
            answer = UNAVAILABLE
        except Exception:
            log.exception("request_failed", path=scope["path"])
            METRICS.decisions["none", UNAVAILABLE_CODE] += 1
            answer = UNAVAILABLE
        await _send(send, answer, request_id or _new_request_id())

    async def _answer(self, scope: dict[str, Any], receive: Receive, authorization: str | None) -> Answer:
        handle = self._route(scope)
        spent_seconds = 0.0
        principal = self._access.remembered(authorization) if authorization else None
        if principal is None:
            begun = time.monotonic()
            principal = await self._look_up(authorization or "")
            spent_seconds = time.monotonic() - begun
        if principal.kind != "platform":
            raise forbidden()
        return await handle(scope, receive, spent_seconds)

    def _route(self, scope: dict[str, Any]) -> Handle:
        """Raises 404 for a path that is none of ours, 405 for a method it doesn't have."""
        path, method = scope["path"], scope["method"]
        found = self._checks.get(path) or self._find(path)
        if found is None:
            raise not_found("route")
        wanted, handle = found
        if method != wanted and not (wanted == "GET" and method == "HEAD"):
            raise ApiError(405, "method_not_allowed", "Method Not Allowed.", headers={"Allow": wanted})
        return handle

    def _find(self, path: str) -> tuple[str, Handle] | None:
        if path == "/v1/holds":
            return "GET", self._list_holds
        if not path.startswith(PREFIX):
            return None
        match path[len(PREFIX) :].split("/"):
            case [kind, ref_id] if kind in KINDS:
                return "GET", lambda scope, *_: self._show(scope, kind, ref_id)
            case ["call", call_id, "extend"]:
                return "POST", self._asks(lambda value: read_extension(call_id, value))
            case [kind, ref_id, "release"] if kind in KINDS and kind != "campaign":
                return "POST", self._asks(lambda value: read_release(cast(Kind, kind), ref_id, value))
        return None

    def _asks(self, read: Callable[[Any], Ask]) -> Handle:
        async def ask(scope: dict[str, Any], receive: Receive, spent_seconds: float) -> Answer:
            body = parse_body(await read_body(receive, BODY_BYTES_MAX))
            return await self._gate.submit(read(body), spent_seconds=spent_seconds)

        return ask

    async def _show(self, scope: dict[str, Any], kind: str, ref_id: str) -> Answer:
        query = reads.check_query(scope["query_string"])
        return await self._reader.show(kind, ref_id, query)

    async def _list_holds(self, scope: dict[str, Any], *_: Any) -> Answer:
        query = reads.holds_query(scope["query_string"])
        return await self._reader.list_holds(query)

    async def _look_up(self, authorization: str) -> Principal:
        """The principal in time, or TimeoutError. All who come with one key while it is looked up share the answer; a
        look-up that hangs on a dead server is left to end by itself."""
        task = self._lookups.get(authorization)
        if task is None:
            task = self._lookups[authorization] = asyncio.create_task(self._access.principal(authorization))
            task.add_done_callback(lambda done: self._looked_up(authorization, done))
        await asyncio.wait([task], timeout=self._deadline_seconds)
        if not task.done():
            self._lookups.pop(authorization, None)
            raise TimeoutError("the key could not be looked up in time")
        return task.result()

    def _looked_up(self, authorization: str, task: asyncio.Task[Principal]) -> None:
        if self._lookups.get(authorization) is task:
            del self._lookups[authorization]
        look_at(task)


def _new_request_id() -> bytes:
    """Sorts by time; random enough to tell requests apart in a log."""
    return b"req_%012x%016x" % (int(time.time() * 1000), random.getrandbits(64))


async def _send(send: Send, answer: Answer, request_id: bytes) -> None:
    body = answer.body
    if "error" in body:
        body = {"error": {**body["error"], "request_id": request_id.decode()}}
    written = orjson.dumps(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(written)),
        (b"x-request-id", request_id),
    ]
    for name, text in answer.headers.items():
        headers.append((name.lower().encode(), text.encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": written})
