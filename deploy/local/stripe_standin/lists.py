"""Cursor lists: newest first, `limit`, `starting_after`, `ending_before`, `created[gte]`, as Stripe pages them."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from .errors import InvalidRequest, Json
from .store import Record
from .work import Request, Work

LIMIT_DEFAULT = 10
LIMIT_MAX = 100


def page(
    work: Work,
    request: Request,
    kind: str,
    url: str,
    *,
    fits: Callable[[Record], bool] = lambda record: True,
    where: Mapping[str, Any] | None = None,
) -> Json:
    """`{object: list, data, has_more, url}`; `fits` filters what the statement can't."""
    params = request.params
    limit = _limit(params)
    backwards = "ending_before" in params
    window = dict(params.get("created", {}))
    if "starting_after" in params:
        window["below"] = _cursor(work, kind, params["starting_after"], "starting_after")
    if backwards:
        window["above"] = _cursor(work, kind, params["ending_before"], "ending_before")
    records = work.store.each(kind, oldest_first=backwards, **window, **(where or {}))
    chosen = list(islice(filter(fits, records), limit + 1))
    shown = chosen[:limit]
    if backwards:
        shown.reverse()
    return {
        "object": "list",
        "data": [record.body for record in shown],
        "has_more": len(chosen) > limit,
        "url": url,
    }


def _limit(params: Json) -> int:
    limit: int = params.get("limit", LIMIT_DEFAULT)
    if limit < 1:
        message = "This value must be greater than or equal to 1."
        raise InvalidRequest(message, code="parameter_invalid_integer", param="limit")
    return min(limit, LIMIT_MAX)


def _cursor(work: Work, kind: str, object_id: str, param: str) -> int:
    return work.store.require(kind, object_id, param, status=400).seq
