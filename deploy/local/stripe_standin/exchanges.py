"""What an observer is told of each request that Stripe itself would answer (faults are not Stripe's answers)."""

from collections.abc import Callable
from dataclasses import dataclass

from .errors import Json


@dataclass(frozen=True)
class Exchange:
    """`path` is the operation's template (`/v1/customers/{customer}`), `params` as sent, all text."""

    method: str
    path: str
    params: Json
    status: int
    body: str


Observer = Callable[[Exchange], None]


def ignore(exchange: Exchange) -> None:
    """The observer of nothing."""
