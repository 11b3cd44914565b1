"""CloudEvents 1.0 in structured JSON mode: build ours, take apart those of others (contract §3)."""

from dataclasses import dataclass
from datetime import datetime

SOURCE = "ringfence"


class InvalidEnvelope(ValueError):
    """Not a CloudEvent we can take; the message says which attribute and why."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An envelope taken apart. `time` is aware and in UTC; `data` is any JSON value."""

    id: str
    source: str
    type: str
    time: datetime | None
    subject: str | None
    data: object


def cloud_event(
    *, id: str, type: str, time: datetime, data: object, subject: str | None = None, source: str = SOURCE
) -> bytes:
    """One event as the body of a message."""
    raise NotImplementedError


def parse_events(body: bytes) -> list[object]:
    """The elements of a body: one object, or an array of them. Raises `shared.strict_json.NotStrictJson`."""
    raise NotImplementedError


def parse_envelope(element: object) -> CloudEvent:
    """Take one element apart. Raises `InvalidEnvelope`."""
    raise NotImplementedError
