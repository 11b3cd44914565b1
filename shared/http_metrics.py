"""Requests counted by route, as a layer around the application; the gate counts its own."""

import time
from typing import Any

from prometheus_client import Counter, Histogram

from shared.service import Asgi

REQUESTS = Counter("ringfence_http_requests", "Requests answered, but for the gate's.", ["method", "route", "status"])
SECONDS = Histogram(
    "ringfence_http_request_seconds",
    "From a request's arrival to the beginning of its answer, but for the gate's.",
    ["method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Counted:
    """Counts each request when its answer begins, by the route it found: ids in a path make no new series."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        method = scope["method"] if scope["method"] in METHODS else "other"

        async def counting(message: Any) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                REQUESTS.labels(method, route, str(message["status"])).inc()
                SECONDS.labels(method).observe(time.perf_counter() - begun)
            await send(message)

        await self._app(scope, receive, counting)
