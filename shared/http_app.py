"""One ASGI application for the hosted services: hot routes first, everything else through FastAPI behind the edge."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.routing import Match

from shared import tracing
from shared.edge import Edge, Receive, Send
from shared.http_errors import ApiError, invalid_request, our_mistake
from shared.http_metrics import Counted
from shared.http_tracing import Traced
from shared.measures import Measures, measure_queues
from shared.openapi import DescribedApp
from shared.rate_limit import RateLimit
from shared.service import Asgi, Host, Running, Service
from shared.session_access import SessionAccess
from shared.tasks import look_at

READY_SECONDS = 2.0
STATUS_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    415: "unsupported_media_type",
}

log = structlog.get_logger(__name__)


class OrjsonResponse(JSONResponse):
    """JSON by orjson: integers stay integers, money text stays text."""

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def build_app(services: Sequence[Service], running: dict[str, Running], host: Host) -> tuple[FastAPI, Asgi]:
    """The FastAPI application (for its OpenAPI document) and the whole application to serve."""
    app = DescribedApp(
        title="Ringfence",
        version="1",
        description="Real-time prepaid billing: ask before the call, bill after it, know the balance always.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.state.host = host
    # The first route that fits serves: a later service takes over what an earlier one serves only without it.
    served = [router for service in reversed(services) for router in running[service.name].routers]
    for router in (_operations(running, _measures(services, running, host)), *served):
        app.router.routes.extend(router.routes)  # include_router would analyse each of them once more
    _speak_our_errors(app)
    hot = {prefix: route for service in running.values() for prefix, route in service.hot_routes.items()}
    edge = Edge(SessionAccess(RateLimit(app, host.settings), host.sessions, host.access))
    whole = _dispatcher(hot, Counted(edge))
    return app, Traced(whole) if tracing.is_on() else whole


def _measures(services: Sequence[Service], running: dict[str, Running], host: Host) -> Measures:
    own = {name: service.measure for name, service in running.items() if service.measure is not None}
    queues = [queue for service in services for queue in service.hears]
    return Measures({**own, "broker": measure_queues(host.broker, queues)})


def _dispatcher(hot: dict[str, Asgi], edge: Asgi) -> Asgi:
    prefixes = tuple(hot.items())

    async def dispatch(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            for prefix, route in prefixes:
                if path.startswith(prefix):
                    await route(scope, receive, send)
                    return
        await edge(scope, receive, send)

    return dispatch


def _operations(running: dict[str, Running], measures: Measures) -> APIRouter:
    router = APIRouter(tags=["operations"])

    # Load balancers ask with HEAD, too.
    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="The process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", summary="The process can do its work")
    async def readyz() -> Response:
        answers = await asyncio.gather(*map(_is_ready, running.values()))
        states = dict(zip(running, answers, strict=True))
        return OrjsonResponse(
            {"status": "ok" if all(states.values()) else "unavailable", "services": states},
            status_code=200 if all(states.values()) else 503,
        )

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(await measures.text(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _is_ready(service: Running) -> bool:
    if service.ready is None:
        return True
    asking = asyncio.ensure_future(service.ready())
    await asyncio.wait([asking], timeout=READY_SECONDS)
    if not asking.done():  # nobody waits for its end: it may itself have to wait for books that hang
        asking.add_done_callback(look_at)
        asking.cancel()
        log.warning("not_ready", error=f"no answer within {READY_SECONDS} s")
        return False
    try:
        return asking.result()
    except Exception:
        log.warning("not_ready", exc_info=True)
        return False


def _speak_our_errors(app: FastAPI) -> None:
    def answer(request: Request, error: ApiError) -> Response:
        return OrjsonResponse(error.body(request.state.request_id), status_code=error.status, headers=error.headers)

    @app.exception_handler(ApiError)
    async def refused(request: Request, error: ApiError) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def not_valid(request: Request, error: RequestValidationError) -> Response:
        if getattr(request.state, "body_is_empty", False) and any(each["loc"] == ("body",) for each in error.errors()):
            return answer(request, ApiError(400, "invalid_json", "The body is empty; JSON is expected."))
        return answer(request, invalid_request(readable_errors(error.errors())))

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        """The framework raises it again afterwards; the edge logs it."""
        return answer(request, our_mistake())

    @app.exception_handler(HTTPException)
    async def routed_nowhere(request: Request, error: HTTPException) -> Response:
        code = STATUS_CODES.get(error.status_code, "error")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods_of(app, request))
        return answer(request, ApiError(error.status_code, code, f"{error.detail}.", headers=headers))


def _methods_of(app: FastAPI, request: Request) -> list[str]:
    """Every method this path has: the framework names those of the first route alone."""
    fitting = [route for route in app.routes if route.matches(request.scope)[0] is Match.PARTIAL]
    return sorted({method for route in fitting for method in getattr(route, "methods", None) or ()})


def readable_errors(errors: Sequence[Any]) -> list[tuple[str, str]]:
    """pydantic's list of errors as (path, message); paths as a caller writes them: `items.0.price_usd`."""
    return [
        (
            ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")),
            error["msg"],
        )
        for error in errors
    ]
