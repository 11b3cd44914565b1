"""What the descriptions of all routes have in common, said once: keys, whose account, refusals in our shape.

FastAPI describes its own validation error on each route; what is really answered is `Refusal` (contract §0, Errors).
"""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import FastAPI, Header

from shared.contracts.ledger_api_v1 import Refusal
from shared.edge import RAW_PATHS

REFUSED = "Refused; the code says why."
OUT_OF_REACH = "Out of reach: nothing is done, try again."
KEYS = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "key_as_password": {"type": "http", "scheme": "basic", "description": "Any user, the API key as password."},
}
TAKES_IDEMPOTENCY_KEY: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "description": "The same key and body give the first answer again, for 24 hours.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]
}
"""`openapi_extra` of a POST that moves money."""

AccountNamed = Annotated[
    str | None,
    Header(alias="Ringfence-Account", description="Whose account: a platform or agency key must name it."),
]
"""A dependency's parameter: the account a request names, None when it names none."""

_PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}


class DescribedApp(FastAPI):
    """FastAPI whose document says what the edge and the routes really answer."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi())
        return self.openapi_schema


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for framework in ("HTTPValidationError", "ValidationError"):
        schemas.pop(framework, None)
    refusal = Refusal.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(refusal.pop("$defs", {}), Refusal=refusal)
    document["components"]["securitySchemes"] = KEYS
    for path, operation in _operations(document):
        _complete(path, operation)
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation


def _complete(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if not path.startswith("/v1/"):
        return
    responses.setdefault("4XX", {"description": REFUSED})
    responses.setdefault("503", {"description": OUT_OF_REACH})
    for status, answer in responses.items():
        if status[0] in "45":
            answer.setdefault("content", _PROBLEM)
    operation["security"] = [] if path in RAW_PATHS else [{name: []} for name in KEYS]
