"""Webhook endpoints and their secrets. A rolled secret signs beside the new one until its overlap is over."""

from urllib.parse import urlsplit

from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.identifiers import new_stripe_id, random_text
from deploy.local.stripe_standin.lists import page
from deploy.local.stripe_standin.parameters import (
    EXPAND,
    PAGE,
    Parameters,
    boolean,
    merge_metadata,
    metadata,
    text,
    texts,
)
from deploy.local.stripe_standin.settings import API_VERSION
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work


def create_endpoint(work: Work, url: str, enabled_events: list[str], secret: str | None = None) -> Record:
    """`secret` is made up when none is given."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise InvalidRequest("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
    body: Json = {
        "id": new_stripe_id("we"),
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": None,
        "created": work.now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }
    chosen = secret or "whsec_" + random_text(32)
    return work.store.insert("webhook_endpoint", body, {"secrets": [{"secret": chosen, "until": None}]})


def active_secrets(endpoint: Record, now: int) -> list[str]:
    """Newest first; `until` is when a rolled secret stops signing."""
    kept = [s for s in endpoint.private["secrets"] if s["until"] is None or s["until"] > now]
    return [secret["secret"] for secret in reversed(kept)]


def roll_secret(work: Work, endpoint: Record, overlap_seconds: int) -> str:
    """The new secret; the old ones go on signing for `overlap_seconds`."""
    until = work.now + overlap_seconds
    for secret in endpoint.private["secrets"]:
        secret["until"] = until if secret["until"] is None else min(secret["until"], until)
    fresh = "whsec_" + random_text(32)
    endpoint.private["secrets"].append({"secret": fresh, "until": None})
    work.store.save(endpoint)
    return fresh


def _create(work: Work, request: Request) -> Json:
    params = request.params
    if not params["enabled_events"]:
        raise InvalidRequest("Invalid array", param="enabled_events")
    endpoint = create_endpoint(work, params["url"], params["enabled_events"])
    _write(endpoint.body, params)
    work.store.save(endpoint)
    return {**endpoint.body, "secret": endpoint.private["secrets"][0]["secret"]}


def _write(body: Json, params: Json) -> None:
    for name in ("url", "enabled_events", "description"):
        if name in params:
            body[name] = params[name] or None
    body["metadata"] = merge_metadata(body["metadata"], params.get("metadata"))
    if "disabled" in params:
        body["status"] = "disabled" if params["disabled"] else "enabled"


def _update(work: Work, request: Request) -> Json:
    endpoint = _existing(work, request)
    _write(endpoint.body, request.params)
    work.store.save(endpoint)
    return endpoint.body


def _existing(work: Work, request: Request) -> Record:
    return work.store.require("webhook_endpoint", request.ids["webhook_endpoint"], "id")


def _retrieve(work: Work, request: Request) -> Json:
    return _existing(work, request).body


def _delete(work: Work, request: Request) -> Json:
    endpoint = _existing(work, request)
    work.store.remove(endpoint)
    return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}


def _list(work: Work, request: Request) -> Json:
    return page(work, request, "webhook_endpoint", "/v1/webhook_endpoints")


_WRITTEN: Parameters = {
    **EXPAND,
    "description": text(),
    "enabled_events": texts(),
    "metadata": metadata(),
    "url": text(),
}
_CREATED: Parameters = {
    **_WRITTEN,
    "url": text().required(),
    "enabled_events": texts().required(),
    "api_version": text(),
}
_ONE = "/v1/webhook_endpoints/{webhook_endpoint}"
OPERATIONS = (
    Operation("POST", "/v1/webhook_endpoints", _create, _CREATED),
    Operation("GET", "/v1/webhook_endpoints", _list, PAGE),
    Operation("GET", _ONE, _retrieve, EXPAND),
    Operation("POST", _ONE, _update, {**_WRITTEN, "disabled": boolean()}),
    Operation("DELETE", _ONE, _delete),
)
