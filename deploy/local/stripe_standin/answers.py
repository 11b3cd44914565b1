"""Answers on the wire: JSON as Stripe sends it, and the broken ones that faults ask for."""

import asyncio
import json
import socket
import struct
from contextlib import suppress

from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from .errors import Json
from .faults import Fault

# Where the server leaves the connection, so that a fault can reset it.
TRANSPORT = "stripe_standin.transport"
_PROXY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class JsonAnswer(Response):
    """Indented by two, as Stripe's bodies are."""

    media_type = "application/json"

    def __init__(self, body: Json | str, status: int, headers: dict[str, str]) -> None:
        content = body if isinstance(body, str) else json.dumps(body, indent=2)
        super().__init__(content, status, headers)


class TruncatedAnswer(Response):
    """The head promises the whole body, half of it comes, then the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytes(self.body)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        await asyncio.sleep(0)
        _abort(scope, reset=False)


class NoAnswer(Response):
    """The connection is reset, or closed, before a byte is sent."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _abort(scope, reset=self._reset)
        while (await receive())["type"] != "http.disconnect":
            pass


def _abort(scope: Scope, *, reset: bool) -> None:
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]
    if reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


async def wait_out(fault: Fault, http: HttpRequest) -> None:
    """The fault's pause; a hang ends early when the caller gives up."""
    if fault.action != "hang":
        await asyncio.sleep(fault.seconds)
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(fault.seconds):
            # The body was read: what comes next is the caller's departure.
            await http.receive()


def fault_error(fault: Fault, request_id: str) -> Json:
    """Stripe's error body for a status that a fault invents."""
    kind = "invalid_request_error" if fault.status < 500 else "api_error"
    known = {429: {"code": "rate_limit", "message": "Request rate limit exceeded."}, 409: {"code": "lock_timeout"}}
    error = {"message": "An unknown error occurred.", "type": kind, **known.get(fault.status, {}), **fault.error}
    return {"error": {**error, "request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}"}}


def broken_answer(fault: Fault, true_answer: JsonAnswer | None, request_id: str) -> Response | None:
    """What the caller gets; None lets the true answer through."""
    if fault.action == "latency":
        return None
    if fault.action in ("hang", "reset"):
        return NoAnswer(reset=fault.action == "reset")
    headers = {"request-id": request_id, **fault.headers}
    if fault.action == "html":
        return HTMLResponse(_PROXY_PAGE, fault.status, fault.headers)
    if fault.action == "truncate":
        whole = true_answer or JsonAnswer(fault_error(fault, request_id), 200, headers)
        return TruncatedAnswer(bytes(whole.body), whole.status_code, dict(whole.headers))
    return JsonAnswer(fault_error(fault, request_id), fault.status, headers)
