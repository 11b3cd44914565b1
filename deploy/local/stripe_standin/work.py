"""One unit of work on the books, and the operations that do it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import Json
from .parameters import Parameters
from .settings import Settings
from .store import Store


@dataclass(frozen=True)
class Work:
    """What every operation needs. `now` is epoch seconds; `request_id` and `idempotency_key` go into events."""

    store: Store
    settings: Settings
    now: int
    request_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Request:
    """A request understood: `ids` from the path, `params` read, `version` the Stripe-Version header."""

    ids: dict[str, str] = field(default_factory=dict)
    params: Json = field(default_factory=dict)
    publishable: bool = False
    version: str | None = None


@dataclass(frozen=True)
class Operation:
    """`path` as in Stripe's OpenAPI (`/v1/customers/{customer}`). `publishable`: a browser's key may call it."""

    method: str
    path: str
    perform: Callable[[Work, Request], Json]
    parameters: Parameters = field(default_factory=dict)
    publishable: bool = False
