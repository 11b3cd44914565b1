"""A span per request, where traces are wanted: named by its route, the caller's `traceparent` its parent."""

from typing import Any

from shared import tracing
from shared.service import Asgi


class Traced:
    """Wraps the whole application."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        told = tracing.told_by({} if parent is None else {tracing.TRACEPARENT: parent})
        with tracing.span(scope["method"], "server", parent=told) as span:
            assert span is not None
            span.set_attribute("http.request.method", scope["method"])

            async def noting(message: Any) -> None:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", None) or _hot_route(scope["path"])
                    span.update_name(f"{scope['method']} {route}")
                    span.set_attribute("http.route", route)
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, noting)


def _hot_route(path: str) -> str:
    """The gate's routes are none of the framework's: without what may be an id."""
    parts = path.split("/")
    if parts[:3] == ["", "v1", "checks"] and len(parts) > 3:
        known = ("call", "sms", "chat", "campaign", "extend", "release")
        return "/".join(part if place < 3 or part in known else "{id}" for place, part in enumerate(parts))
    return path if path == "/v1/holds" else "none"
