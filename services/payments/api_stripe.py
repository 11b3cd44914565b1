"""`POST /v1/stripe/webhook`: verified on the raw bytes, stored, answered; worked off afterwards (contract §5)."""

import structlog
from fastapi import APIRouter, Request, Response

from services.payments.alerts import alert
from services.payments.api_edge import PaymentsRoute
from services.payments.context import Context
from services.payments.inbox import InboxWorker, store
from services.payments.provider import BadSignature, NotAnEvent
from shared.clock import SystemClock
from shared.crash_points import reach
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError

log = structlog.get_logger(__name__)


def build_router(context: Context, inbox: InboxWorker) -> APIRouter:
    router = APIRouter(tags=["stripe"], route_class=PaymentsRoute)

    @router.post("/v1/stripe/webhook", summary="What Stripe tells us")
    async def webhook(request: Request) -> Response:
        body = await request.body()
        # A signature is made by Stripe's clock; a test may have moved ours, and the stand-in follows ours.
        clocks = [SystemClock().now()]
        if context.settings.test_clock:
            clocks.append(context.now())
        try:
            told = context.provider.read_webhook(body, request.headers, clocks)
        except BadSignature as refused:
            log.warning("webhook_refused", reason=str(refused))
            raise ApiError(400, "invalid_signature", "The signature does not fit.") from None
        except NotAnEvent as refused:
            log.warning("webhook_refused", reason=str(refused))
            code = "invalid_request" if refused.is_json else "invalid_json"
            raise ApiError(400, code, "The signature fits, the body is no event.") from None
        if told is None:
            return OrjsonResponse({"received": True})
        if told.is_live != context.settings.is_live:
            # Answered well, or Stripe would go on sending it; and left alone.
            detail = f"{told.event_id} is of the other mode"
            await alert(context.pool, "webhook_of_other_mode", context.provider.name, detail, context.now())
            return OrjsonResponse({"received": True})
        is_new = await store(context, told)
        reach("event_stored")
        if is_new:
            inbox.kick()
        return OrjsonResponse({"received": True})

    return router
