"""Errors as the outside sees them: `{"error": {"code", "message", "request_id", …}}`, always (contract §0).

Exception
└── ApiError        a refusal with an HTTP status and a stable code
"""

from collections.abc import Iterable, Mapping
from typing import Any


class ApiError(Exception):
    """A refusal that the caller can act on. `extra` joins the error object; `headers` the response."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self, request_id: str | None) -> dict[str, Any]:
        error = {"code": self.code, "message": self.message, **self.extra}
        if request_id is not None:
            error["request_id"] = request_id
        return {"error": error}


def invalid_request(fields: Iterable[tuple[str, str]]) -> ApiError:
    """422 naming each path that is wrong."""
    listed = [{"path": path, "message": message} for path, message in fields]
    return ApiError(422, "invalid_request", "The request is not valid; see fields.", fields=listed)


def not_found(what: str = "object") -> ApiError:
    """404, the same for another tenant's object as for one that does not exist."""
    return ApiError(404, "not_found", f"There is no such {what}.")


def unauthorized() -> ApiError:
    return ApiError(401, "unauthorized", "The API key is missing or not valid.", headers={"WWW-Authenticate": "Bearer"})


def forbidden() -> ApiError:
    return ApiError(403, "forbidden", "This kind of key may not do that.")


def our_mistake() -> ApiError:
    return ApiError(500, "internal_error", "This is our mistake; it has been logged with the request id.")
