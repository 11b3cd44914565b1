"""`POST /v1/usage`: usage in over HTTP, answered when the broker has it (contract §3, In; platform key)."""

from collections.abc import Sequence
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request, Response

from services.ledger.api_edge import EVENTS_MAX, books_router, refuse_too_many_events
from services.ledger.context import LedgerContext
from services.ledger.domain.usage import Refused, read_usage
from shared.api_edge import platform_only, unavailable
from shared.contracts.ledger_api_v1 import UsageTaken
from shared.edge import parse_body
from shared.http_app import OrjsonResponse
from shared.http_errors import invalid_request
from shared.messaging.errors import MessagingError
from shared.messaging.messages import Message
from shared.messaging.topology import USAGE

EVENTS_PER_MESSAGE: Final = 100
CONFIRM_SECONDS: Final = 5.0
ROUTING_KEY: Final = "usage.http"


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(tags=["usage"], dependencies=[platform_only(context.host.access)])

    @router.post(
        "/v1/usage",
        response_model=UsageTaken,
        status_code=202,
        summary="Tell what was used",
        description=f"One CloudEvent or an array of up to {EVENTS_MAX}; sent again they change nothing.",
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}},
    )
    async def tell_usage(request: Request) -> Response:
        value = parse_body(await request.body())
        events = value if isinstance(value, list) else [value]
        refuse_too_many_events(events)
        good, rejected = _sorted(events, context)
        if not good:
            return _none_is_good(request, rejected)
        await _publish(context, good)
        return OrjsonResponse({"accepted": len(good), "rejected": rejected}, status_code=202)

    return router


_SCHEMA: Final[dict[str, Any]] = {
    "oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}, "maxItems": EVENTS_MAX}]
}


def _sorted(events: Sequence[Any], context: LedgerContext) -> tuple[list[Any], list[dict[str, Any]]]:
    """The events that can be posted as far as they show by themselves, and why the others can't."""
    now = context.host.clock.now()
    good, rejected = [], []
    for index, event in enumerate(events):
        read = read_usage(event, received_at=now)
        if isinstance(read, Refused):
            rejected.append({"index": index, "code": read.reason, "message": read.detail})
        else:
            good.append(event)
    return good, rejected


def _none_is_good(request: Request, rejected: list[dict[str, Any]]) -> Response:
    fields = [(str(each["index"]), f"{each['code']}: {each['message']}") for each in rejected]
    refusal = invalid_request(fields or [("", "an empty array holds no event")])
    body = {"accepted": 0, "rejected": rejected, **refusal.body(request.state.request_id)}
    return OrjsonResponse(body, status_code=refusal.status)


async def _publish(context: LedgerContext, events: Sequence[Any]) -> None:
    """Raises 503 unless every event is confirmed; to send them all again is safe."""
    chunks = [events[start : start + EVENTS_PER_MESSAGE] for start in range(0, len(events), EVENTS_PER_MESSAGE)]
    messages = [Message(USAGE, ROUTING_KEY, orjson.dumps(chunk)) for chunk in chunks]
    try:
        problems = await context.host.broker.publish_many(messages, timeout_s=CONFIRM_SECONDS)
    except MessagingError:
        raise unavailable() from None
    if any(problem is not None for problem in problems):
        raise unavailable()
