"""Which parameters an operation takes, and how their text becomes values.

An unknown parameter is refused as Stripe refuses it (`parameter_unknown`). Stripe knows many more parameters
than the stand-in: one it does not know is better refused than silently ignored.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import InvalidRequest

Parse = Callable[[Any, str], Any]
UNSET = ""  # Stripe's way to clear a value: the parameter sent empty


@dataclass(frozen=True)
class Parameter:
    """`parse(raw, name)` gives the value or raises; `fields` tells an object's own parameters."""

    parse: Parse
    is_required: bool = False
    fields: Mapping[str, "Parameter"] = field(default_factory=dict)

    def required(self) -> "Parameter":
        return replace(self, is_required=True)


Parameters = Mapping[str, Parameter]


def read_parameters(declared: Parameters, raw: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """The values given; names not given are absent. Raises InvalidRequest, naming the parameter."""
    for name in raw:
        if name not in declared:
            full = _full(name, inside)
            raise InvalidRequest(f"Received unknown parameter: {full}", code="parameter_unknown", param=full)
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        full = _full(name, inside)
        if name in raw:
            values[name] = parameter.parse(raw[name], full)
        if parameter.is_required and values.get(name) in (None, UNSET):
            raise InvalidRequest(f"Missing required param: {full}.", code="parameter_missing", param=full)
    return values


def text(length_max: int = 5000) -> Parameter:
    def parse(raw: Any, name: str) -> str:
        if not isinstance(raw, str):
            raise InvalidRequest(f"Invalid string: {name}", param=name)
        if len(raw) > length_max:
            raise InvalidRequest(f"Invalid string: {name} may be {length_max} characters long", param=name)
        return raw

    return Parameter(parse)


def integer() -> Parameter:
    def parse(raw: Any, name: str) -> int:
        digits = raw.removeprefix("-") if isinstance(raw, str) else ""
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
            raise InvalidRequest(f"Invalid integer: {str(raw)[:40]}", code="parameter_invalid_integer", param=name)
        return int(raw)

    return Parameter(parse)


def boolean() -> Parameter:
    def parse(raw: Any, name: str) -> bool:
        if raw not in ("true", "false"):
            raise InvalidRequest(f"Invalid boolean: {str(raw)[:40]}", param=name)
        return bool(raw == "true")

    return Parameter(parse)


def choice(*allowed: str) -> Parameter:
    def parse(raw: Any, name: str) -> str:
        if raw not in allowed:
            raise InvalidRequest(f"Invalid {name}: must be one of {', '.join(allowed)}", param=name)
        return str(raw)

    return Parameter(parse)


def texts() -> Parameter:
    def parse(raw: Any, name: str) -> list[str]:
        if raw == UNSET:
            return []
        if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
            raise InvalidRequest("Invalid array", param=name)
        return raw

    return Parameter(parse)


def group(declared: Parameters) -> Parameter:
    def parse(raw: Any, name: str) -> Any:
        if raw == UNSET:
            return UNSET
        if not isinstance(raw, dict):
            raise InvalidRequest("Invalid object", param=name)
        return read_parameters(declared, raw, name)

    return Parameter(parse, fields=declared)


def moments() -> Parameter:
    """A list's `created`: one second, or `gt`, `gte`, `lt`, `lte`; always read as the four bounds."""
    bounds = {name: integer() for name in ("gt", "gte", "lt", "lte")}

    def parse(raw: Any, name: str) -> dict[str, int]:
        if isinstance(raw, dict):
            return read_parameters(bounds, raw, name)
        exact: int = integer().parse(raw, name)
        return {"gte": exact, "lte": exact}

    return Parameter(parse)


def metadata() -> Parameter:
    """Text to text, up to 50 keys; an empty value removes the key, an empty parameter removes all."""

    def parse(raw: Any, name: str) -> Any:
        if raw == UNSET:
            return UNSET
        if isinstance(raw, list):
            raw = {str(index): value for index, value in enumerate(raw)}
        if not isinstance(raw, dict) or not all(isinstance(value, str) for value in raw.values()):
            raise InvalidRequest("Invalid metadata: it maps text to text.", param=name)
        if len(raw) > 50 or any(len(key) > 40 or len(value) > 500 for key, value in raw.items()):
            raise InvalidRequest("Metadata has up to 50 keys of 40 characters with 500 each.", param=name)
        return raw

    return Parameter(parse)


def merge_metadata(before: Mapping[str, str], given: Any) -> dict[str, str]:
    if given is None:
        return dict(before)
    if given == UNSET:
        return {}
    return {key: value for key, value in {**before, **given}.items() if value != UNSET}


EXPAND: Parameters = {"expand": texts()}
PAGE: Parameters = {
    **EXPAND,
    "limit": integer(),
    "starting_after": text(),
    "ending_before": text(),
}


def _full(name: str, inside: str) -> str:
    return f"{inside}[{name}]" if inside else name
