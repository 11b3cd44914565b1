"""Stripe's errors as it answers them.

StripeError
├── InvalidRequest      400, 404: a parameter or the state of an object does not allow it
├── CardRefused         402: a decline; what it recorded (failed charge, last error) is kept
├── KeyRefused          401, 403: no, unknown, live or too weak an API key
└── IdempotencyConflict 400, 409: the key was used with other parameters, or is in use
"""

from typing import Any

Json = dict[str, Any]


class StripeError(Exception):
    """Becomes `{"error": {type, message, code?, param?, …}}` with `status`."""

    recorded = False

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        optional = {"code": code, "param": param, **more}
        self.error: Json = {"message": message, "type": kind}
        self.error.update({name: value for name, value in optional.items() if value is not None})
        if code:
            self.error["doc_url"] = "https://docs.stripe.com/error-codes#" + code.replace("_", "-")


class InvalidRequest(StripeError):
    def __init__(self, message: str, *, status: int = 400, **more: Any) -> None:
        super().__init__(status, "invalid_request_error", message, **more)


class CardRefused(StripeError):
    recorded = True

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(402, "card_error", message, **more)


class KeyRefused(StripeError):
    def __init__(self, message: str, *, status: int = 401, **more: Any) -> None:
        super().__init__(status, "invalid_request_error", message, **more)


class IdempotencyConflict(StripeError):
    def __init__(self, message: str, *, status: int = 400, **more: Any) -> None:
        super().__init__(status, "idempotency_error", message, **more)


def missing(noun: str, object_id: str, param: str, *, status: int = 404) -> InvalidRequest:
    """404 `resource_missing`, as for every id that names nothing."""
    return InvalidRequest(f"No such {noun}: '{object_id}'", status=status, code="resource_missing", param=param)
