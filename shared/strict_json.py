"""JSON as the outside may send it, and nothing looser.

Refused: NaN and Infinity, duplicate keys, lone surrogates, NUL characters, BOM or UTF-16, absurd nesting.
A duplicate key is ambiguous (two amounts in one body), and every parser picks another winner, so it is an error.
"""

import json
from typing import Any

import orjson


class NotStrictJson(ValueError):
    """The bytes are not JSON as RFC 8259 means it, or hold what no body of ours may hold."""


def loads(body: bytes) -> Any:
    """Parse `body`; raise `NotStrictJson` with a reason that can be shown."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotStrictJson(f"not JSON: {error}") from None
    if b"\\" in body:
        _refuse_duplicates(body)
        if b"\\u0000" in body and _holds_nul(value):
            raise NotStrictJson("a string holds a NUL character")
    elif body.count(b'"') != 2 * _strings_in(value):
        _refuse_duplicates(body)
    return value


def _strings_in(value: Any) -> int:
    """How many string tokens wrote this value: fewer than the body holds means that a key was overwritten."""
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        count = len(value)
        for item in value.values():
            if isinstance(item, str):
                count += 1
            elif isinstance(item, dict | list):
                count += _strings_in(item)
        return count
    if isinstance(value, list):
        return sum(map(_strings_in, value))
    return 0


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def _refuse_duplicates(body: bytes) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = {key for key, _ in pairs}
        if len(keys) != len(pairs):
            raise NotStrictJson("an object names the same key twice")
        return {}

    try:
        json.loads(body, object_pairs_hook=unique)
    except (RecursionError, ValueError) as error:
        raise NotStrictJson(str(error)) from None
