"""Events: a copy of the object as it was, and one delivery for each endpoint that wants the type."""

import copy
from typing import Any

from deploy.local.stripe_standin.deliveries import enqueue, is_delivered
from deploy.local.stripe_standin.errors import InvalidRequest, Json, missing
from deploy.local.stripe_standin.identifiers import new_stripe_id
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import EXPAND, PAGE, boolean, moments, text, texts
from deploy.local.stripe_standin.settings import API_VERSION
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

KEPT_SECONDS = 30 * 24 * 3600


def emit(work: Work, kind: str, body: Json, previous: Json | None = None) -> None:
    """Record that `kind` happened to `body`; `previous` holds the former values of what an update changed."""
    happened: dict[str, Any] = {"object": copy.deepcopy(body)}
    if previous is not None:
        happened["previous_attributes"] = copy.deepcopy(previous)
    event_id = new_stripe_id("evt")
    event = {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": work.now,
        "data": happened,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": work.request_id, "idempotency_key": work.idempotency_key},
        "type": kind,
    }
    endpoints = [record for record in work.store.each("webhook_endpoint") if _wants(record, kind)]
    event["pending_webhooks"] = len(endpoints)
    work.store.insert("event", event)
    for endpoint in endpoints:
        enqueue(work.store, event_id, endpoint.id, work.now)


def changed(before: Json, after: Json) -> Json:
    """`previous_attributes`: the former values of the fields that differ."""
    return {name: before.get(name) for name, value in after.items() if before.get(name) != value}


def _wants(endpoint: Record, kind: str) -> bool:
    body = endpoint.body
    wanted = body["enabled_events"]
    return body["status"] == "enabled" and ("*" in wanted or kind in wanted)


def _matches(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1]))


def _list(work: Work, request: Request) -> Json:
    params = request.params
    if "type" in params and "types" in params:
        raise InvalidRequest("You may only specify one of these parameters: type, types.", param="types")
    wanted = [params["type"]] if "type" in params else params.get("types", [])
    delivered = params.get("delivery_success")

    def fits(event: Record) -> bool:
        return (
            event.created >= work.now - KEPT_SECONDS
            and (not wanted or any(_matches(event.body["type"], kind) for kind in wanted))
            and (delivered is None or is_delivered(work.store, event.id) == delivered)
        )

    return page(work, request, "event", "/v1/events", fits=fits)


def _retrieve(work: Work, request: Request) -> Json:
    event = work.store.require("event", request.ids["id"], "id")
    if event.created < work.now - KEPT_SECONDS:
        raise missing("event", event.id, "id")
    return event.body


OPERATIONS = (
    Operation(
        "GET",
        "/v1/events",
        _list,
        {**PAGE, "type": text(), "types": texts(), "created": moments(), "delivery_success": boolean()},
    ),
    Operation("GET", "/v1/events/{id}", _retrieve, EXPAND),
)
