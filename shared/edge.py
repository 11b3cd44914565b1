"""The outermost layer of every HTTP answer: request id, body limits, strict JSON, errors in one shape (contract §0)."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import structlog
from ulid import ULID

from shared import strict_json
from shared.http_errors import ApiError, invalid_request, not_found, our_mistake
from shared.service import Asgi

KIB = 1024
BODY_BYTES_MAX = 64 * KIB
BODY_BYTES_MAX_BY_PATH = {
    "/v1/stripe/webhook": KIB * KIB,
    "/v1/prices": 8 * KIB * KIB,
    "/v1/prices/quote": 8 * KIB * KIB,
    "/v1/usage": KIB * KIB,
}
DISCARDED_BYTES_MAX = 16 * KIB * KIB
RAW_PATHS = frozenset({"/v1/stripe/webhook"})
"""Bodies that are not ours to parse: their signature covers the bytes."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:+@;=-]{1,128}")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})

log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


def header(scope: dict[str, Any], name: bytes) -> str | None:
    """A request header as text; bytes outside Latin-1 can't occur."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def request_id_of(scope: dict[str, Any]) -> str:
    """X-Request-Id as it was sent, if it is a proper one, else a new one."""
    for key, value in scope["headers"]:
        if key == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return f"req_{ULID()}"


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body; raises 413 beyond `limit` bytes."""
    chunks = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            await _discard_rest(receive, message)
            raise ApiError(413, "body_too_large", f"The body is larger than {limit} bytes.", limit_bytes=limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _discard_rest(receive: Receive, message: Any) -> None:
    """Hear the caller out, up to a bound: who is cut off while still sending never reads the answer."""
    discarded = 0
    while message.get("more_body") and discarded < DISCARDED_BYTES_MAX:
        message = await receive()
        discarded += len(message.get("body", b""))


def parse_body(body: bytes) -> Any:
    """The JSON value of a body; raises 400 `invalid_json`."""
    try:
        return strict_json.loads(body)
    except strict_json.NotStrictJson as error:
        raise ApiError(400, "invalid_json", f"The body is not valid JSON: {error}") from None


async def answer_json(
    send: Send, status: int, value: Any, *, request_id: str, headers: dict[str, str] | None = None
) -> None:
    """Send one JSON answer."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"x-request-id", request_id.encode()),
                *((name.lower().encode(), text.encode()) for name, text in (headers or {}).items()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _refuse_nul(scope: dict[str, Any]) -> None:
    """What holds a NUL is no text to PostgreSQL: such a path names nothing, such a query asks nothing."""
    if "\0" in scope["path"]:
        raise not_found()
    if b"%00" in scope["query_string"]:
        raise invalid_request([("query", "holds a NUL character")])


class Edge:
    """Wraps the application of all that is not hot."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {
                    **message,
                    "headers": [*message["headers"], (b"x-request-id", request_id.encode())],
                }
            await send(message)

        try:
            _refuse_nul(scope)
            if scope["method"] in _BODY_METHODS:
                receive = await self._checked(scope, receive)
            await self._app(scope, receive, send_with_id)
        except ApiError as error:
            if not started:
                await answer_json(
                    send, error.status, error.body(request_id), request_id=request_id, headers=error.headers
                )
        except Exception:
            log.exception("request_failed", request_id=request_id, method=scope["method"], path=scope["path"])
            # A started answer can't be taken back: the server cuts it off, so that nobody takes it for whole.
            if not started:
                await answer_json(send, 500, our_mistake().body(request_id), request_id=request_id)

    async def _checked(self, scope: dict[str, Any], receive: Receive) -> Receive:
        """Read the body within its limit and refuse what is not strict JSON; then hand it on as it came."""
        path = scope["path"]
        limit = BODY_BYTES_MAX_BY_PATH.get(path, BODY_BYTES_MAX)
        if path not in RAW_PATHS and path.startswith("/v1/accounts/") and path.endswith("/prices"):
            limit = BODY_BYTES_MAX_BY_PATH["/v1/prices"]
        body = await read_body(receive, limit)
        scope["state"]["body_is_empty"] = not body
        if path.startswith("/v1/") and path not in RAW_PATHS:
            if body:
                parse_body(body)
            scope["headers"] = [
                *((key, value) for key, value in scope["headers"] if key != b"content-type"),
                (b"content-type", b"application/json"),
            ]
        sent = False

        async def replay() -> Any:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay
