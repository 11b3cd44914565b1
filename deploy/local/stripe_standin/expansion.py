"""`expand[]=latest_charge.balance_transaction`: ids in an answer become the objects they name."""

import copy
from typing import Any

from .errors import InvalidRequest, Json
from .store import Store

_DEPTH_MAX = 4


def expand(store: Store, body: Json, paths: list[str]) -> Json:
    """A copy of `body` with each path expanded; raises InvalidRequest for a path that can't be."""
    if not paths:
        return body
    expanded = copy.deepcopy(body)
    for path in paths:
        parts = path.split(".")
        if len(parts) > _DEPTH_MAX:
            raise InvalidRequest(f"You cannot expand more than {_DEPTH_MAX} levels of a property.")
        _expand_at(store, expanded, parts, path)
    return expanded


def _expand_at(store: Store, body: Any, parts: list[str], path: str) -> None:
    if isinstance(body, list):
        for item in body:
            _expand_at(store, item, parts, path)
        return
    if not parts or body is None:
        return
    name = parts[0]
    if isinstance(body, dict) and body.get("object") == "charge" and name == "refunds":
        body[name] = _refunds(store, body["id"])
    if not isinstance(body, dict) or name not in body:
        raise InvalidRequest(f"This property cannot be expanded ({path}).", param="expand")
    if isinstance(body[name], str):
        found = store.find(body[name])
        if found is None:
            raise InvalidRequest(f"This property cannot be expanded ({path}).", param="expand")
        body[name] = copy.deepcopy(found.body)
    _expand_at(store, body[name], parts[1:], path)


def _refunds(store: Store, charge_id: str) -> Json:
    newest = [record.body for record in store.each("refund", charge=charge_id)]
    return {
        "object": "list",
        "data": copy.deepcopy(newest[:10]),
        "has_more": len(newest) > 10,
        "url": f"/v1/charges/{charge_id}/refunds",
    }
