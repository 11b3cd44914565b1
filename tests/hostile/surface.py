"""Every route and message there is, read from docs/specs: what it takes, and an example of it that is right.

A new route or message type is here as soon as `make specs` has written it down.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SPECS = Path(__file__).parents[2] / "docs" / "specs"
BY_PATTERN = ("+4930123456", "USD", "x", "a@b.example", "https://shop.example/back")
Place = tuple[str | int, ...]
"""Where a value stands in a body: `("items", 0, "price_usd")`."""


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str  # path, query or header
    schema: Mapping[str, Any]
    is_required: bool


@dataclass(frozen=True)
class Operation:
    """A route with its method; `body` is its schema, None when it takes none."""

    method: str
    path: str
    tags: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    body: Mapping[str, Any] | None
    is_open: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    def named(self, place: str) -> list[Parameter]:
        return [parameter for parameter in self.parameters if parameter.place == place]

    @property
    def moves_money(self) -> bool:
        """Whether it takes an Idempotency-Key: every POST that moves money does (contract §0); or tells usage, whose
        events have ids of their own.
        """
        return self.name == "POST /v1/usage" or any(
            parameter.name == "Idempotency-Key" for parameter in self.parameters
        )


class Spec:
    """A document of docs/specs, with its references resolved on demand."""

    def __init__(self, name: str) -> None:
        self.document: dict[str, Any] = json.loads((SPECS / name).read_text(encoding="utf-8"))
        self._validators: dict[int, Draft202012Validator] = {}

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            target: Any = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            schema = target
        return schema

    def conforms(self, value: Any, schema: Mapping[str, Any]) -> bool:
        """Whether the specification allows this value."""
        if id(schema) not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[id(schema)] = Draft202012Validator(whole)
        return self._validators[id(schema)].is_valid(value)

    def example(self, schema: Mapping[str, Any], known: Mapping[str, Any], name: str = "") -> Any:
        """A value the specification allows: what is `known` by its field's name, else the plainest one."""
        if name in known:
            return copy.deepcopy(known[name])
        schema = self.resolved(schema)
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if "enum" in schema:
            return schema["enum"][0]
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema:
                return self.example(schema[keyword][0], known, name)
        match schema.get("type"):
            case "object":
                wanted = schema.get("required", [])
                properties = schema.get("properties", {})
                return {field: self.example(properties[field], known, field) for field in wanted}
            case "array":
                return [self.example(schema["items"], known, name)] if schema.get("items") else []
            case "integer" | "number":
                return int(max(schema.get("minimum", 1), 1))
            case "boolean":
                return False
            case "string":
                return _text(schema)
        return {}

    def places(self, schema: Mapping[str, Any], at: Place = ()) -> Iterator[Place]:
        """Every field of the schema, nested ones too."""
        schema = self.resolved(schema)
        for keyword in ("anyOf", "oneOf", "allOf"):
            for choice in schema.get(keyword, ()):
                yield from self.places(choice, at)
        for field, inner in schema.get("properties", {}).items():
            yield (*at, field)
            yield from self.places(inner, (*at, field))
        if isinstance(schema.get("items"), Mapping) and len(at) < 6:
            yield from self.places(schema["items"], (*at, 0))


def operations(spec: Spec) -> list[Operation]:
    """Every route of the OpenAPI document, in its order."""
    return [
        _operation(spec, method, path, described)
        for path, methods in spec.document["paths"].items()
        for method, described in methods.items()
    ]


def _operation(spec: Spec, method: str, path: str, described: Mapping[str, Any]) -> Operation:
    body = described.get("requestBody")
    return Operation(
        method=method.upper(),
        path=path,
        tags=tuple(described.get("tags", ())),
        parameters=tuple(
            Parameter(found["name"], found["in"], found["schema"], found.get("required", False))
            for found in described.get("parameters", ())
        ),
        body=None if body is None else spec.resolved(body["content"]["application/json"]["schema"]),
        is_open=not described.get("security"),
    )


def places_of(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every field of a value that the specification leaves open."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            yield (*at, field)
            yield from places_of(inner, (*at, field))
    elif isinstance(value, list) and value:
        yield (*at, 0)
        yield from places_of(value[0], (*at, 0))


def with_literal(body: Any, place: Place, literal: str) -> bytes:
    """The body as JSON, with the literal where the place is; what leads there is made up as needed."""
    changed = copy.deepcopy(body)
    _put(changed, place)
    return json.dumps(changed).replace('"PLACE"', literal, 1).encode("utf-8", "surrogatepass")


def _put(value: Any, place: Place) -> None:
    for step, following in zip(place, (*place[1:], None), strict=True):
        if following is None:
            value[step] = "PLACE"
            return
        fresh: Any = [{}] if isinstance(following, int) else {}
        if isinstance(value, dict) and not isinstance(value.get(step), type(fresh)):
            value[step] = fresh
        value = value[step]
        if isinstance(value, list) and not value:
            value.append({})


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date-time":
        return "2030-01-01T00:00:00.000Z"
    if "pattern" in schema:
        return next(text for text in BY_PATTERN if re.search(schema["pattern"], text))
    return "x"
