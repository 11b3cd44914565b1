"""The stand-in as one ASGI application: API, hosted pages, and the control plane where asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from shared.clock import Clock, MovableClock

from .api.webhook_endpoints import create_endpoint
from .control_plane import OFFSET_FACT, ControlPlane
from .dispatch import Dispatcher
from .exchanges import Observer, ignore
from .faults import Faults
from .pages.checkout import CheckoutPages
from .pages.receipt import ReceiptPages
from .pages.rendering import asset, stripe_js
from .pages.stage import Stage
from .pages.three_d_secure import AuthenticationPages
from .settings import Settings
from .store import Store
from .webhook_faults import WebhookFaults
from .webhooks import WebhookSender
from .work import Work

_METHODS = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def create_app(settings: Settings, clock: Clock, observe: Observer = ignore) -> Starlette:
    """The stand-in over `settings.folder`. Its own clock is `clock` plus what `/_sim/clock` added.

    `observe` is told of each request and its true answer: that is where tests hold both to Stripe's specification.
    """
    store = Store(settings.folder)
    own_clock = MovableClock(clock)
    own_clock.move_to_offset(timedelta(seconds=float(store.fact(OFFSET_FACT) or 0)))
    faults, webhook_faults = Faults(), WebhookFaults()
    sender = WebhookSender(store, settings, own_clock, webhook_faults)
    dispatcher = Dispatcher(store, settings, own_clock, faults, announce=sender.announce, observe=observe)
    stage = Stage(store, settings, own_clock, sender.announce)

    def start_over() -> None:
        store.empty()
        _endpoint_of_the_start(stage)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        _endpoint_of_the_start(stage)
        sending = asyncio.create_task(sender.run())
        try:
            yield
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            store.close()

    control = ControlPlane(
        stage=stage,
        clock=own_clock,
        keys=dispatcher.keys,
        faults=faults,
        webhook_faults=webhook_faults,
        sender=sender,
        start_over=start_over,
    )
    return Starlette(
        routes=[
            Route("/v1/{path:path}", dispatcher.answer, methods=_METHODS),
            *_page_routes(stage),
            *(control.routes() if settings.control_plane else []),
        ],
        # Browsers call the API with a publishable key from the dashboard's origin, through stripe.js.
        middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])],
        lifespan=lifespan,
    )


def _page_routes(stage: Stage) -> list[Route]:
    checkout, authentication = CheckoutPages(stage), AuthenticationPages(stage)
    return [
        Route("/c/pay/{session}", checkout.show, methods=["GET"]),
        Route("/c/pay/{session}", checkout.submit, methods=["POST"]),
        Route("/3ds/{intent}", authentication.show, methods=["GET"]),
        Route("/3ds/{intent}", authentication.submit, methods=["POST"]),
        Route("/receipts/{charge}", ReceiptPages(stage).show, methods=["GET"]),
        Route("/assets/{name}", asset, methods=["GET"]),
        Route("/v3/", stripe_js, methods=["GET"]),
        Route("/stripe.js", stripe_js, methods=["GET"]),
        Route("/healthz", _health, methods=["GET"]),
    ]


async def _health(http: HttpRequest) -> Response:
    return JSONResponse({"status": "ok", "simulated": True})


def _endpoint_of_the_start(stage: Stage) -> None:
    """The webhook endpoint named at the start; one kept from before with the same URL goes on."""
    settings = stage.settings
    if settings.webhook_url is None:
        return
    with stage.work() as work:
        if not any(e.body["url"] == settings.webhook_url for e in work.store.each("webhook_endpoint")):
            _replace_endpoint(work, settings.webhook_url, settings.webhook_secret)


def _replace_endpoint(work: Work, url: str, secret: str | None) -> None:
    """Ports change between starts: the endpoint of the start before would only collect failures."""
    for endpoint in list(work.store.each("webhook_endpoint")):
        if endpoint.private.get("of_the_start"):
            work.store.remove(endpoint)
    endpoint = create_endpoint(work, url, ["*"], secret)
    endpoint.private["of_the_start"] = True
    work.store.save(endpoint)
