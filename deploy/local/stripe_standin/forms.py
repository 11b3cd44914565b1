"""Stripe's form encoding: `a[b][c]=x`, `a[]=x`, `a[0][b]=x` become nested dicts and lists."""

import re
from typing import Any
from urllib.parse import parse_qsl

from .errors import InvalidRequest

_PART = re.compile(r"\[([^\[\]]*)\]")
_DEPTH_MAX = 8
_FIELDS_MAX = 1000


def decode_form(encoded: str) -> dict[str, Any]:
    """Raises InvalidRequest for what is not UTF-8, too deep or contradicts itself."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError as unreadable:
        raise InvalidRequest("Invalid request body: it is not form-encoded UTF-8.") from unreadable
    tree: dict[str, Any] = {}
    for name, value in pairs:
        _place(tree, _path(name), value)
    return {name: _lists(branch) for name, branch in tree.items()}


def _path(name: str) -> list[str]:
    first, bracket, rest = name.partition("[")
    parts = _PART.findall(bracket + rest)
    if not first or "".join(f"[{part}]" for part in parts) != bracket + rest or len(parts) > _DEPTH_MAX:
        raise InvalidRequest(f"Invalid parameter name: {name[:100]}", code="parameter_unknown", param=name[:100])
    return [first, *parts]


def _place(tree: dict[str, Any], path: list[str], value: str) -> None:
    branch = tree
    for part in path[:-1]:
        branch = branch.setdefault(part, {})
        if not isinstance(branch, dict):
            raise InvalidRequest(f"Invalid parameter: {part} is given as text and as an object.", param=path[0])
    last = path[-1] or str(len(branch))
    if isinstance(branch.get(last), dict):
        raise InvalidRequest(f"Invalid parameter: {last} is given as text and as an object.", param=path[0])
    branch[last] = value


def _lists(branch: Any) -> Any:
    if not isinstance(branch, dict):
        return branch
    children = {name: _lists(child) for name, child in branch.items()}
    if children and all(name.isascii() and name.isdigit() for name in children):
        return [children[name] for name in sorted(children, key=int)]
    return children
