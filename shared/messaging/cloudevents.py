"""CloudEvents 1.0 in structured JSON mode: build ours, take apart those of others (contract §3).

Source of the rules: CloudEvents 1.0.2, JSON format; lengths are ours.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from shared import strict_json
from shared.clock import rfc3339
from shared.contracts.fields_v1 import EARLIEST_YEAR, canonical_instant

SOURCE = "ringfence"
ID_LENGTH_MAX = 128
NAME_LENGTH_MAX = 256
EPOCH_SECONDS_MAX = 253_402_300_799
"""The last second of the year 9999."""

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class InvalidEnvelope(ValueError):
    """Not a CloudEvent we can take; the message says which attribute and why."""


class CloudEvent(NamedTuple):
    """An envelope taken apart. `time` is aware and in UTC; `data` is any JSON value, None when missing."""

    id: str
    source: str
    type: str
    time: datetime | None
    subject: str | None
    data: object


def cloud_event(
    *, id: str, type: str, time: datetime, data: object, subject: str | None = None, source: str = SOURCE
) -> bytes:
    """One event as the body of a message; `data` is anything JSON can say."""
    envelope = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "data": data,
    }
    if subject is not None:
        envelope["subject"] = subject
    return orjson.dumps(envelope)


def parse_events(body: bytes) -> list[object]:
    """The elements of a body: one object, or an array of them. Raises `shared.strict_json.NotStrictJson`."""
    value = strict_json.loads(body)
    return value if isinstance(value, list) else [value]


def parse_envelope(element: object) -> CloudEvent:
    """Take one element apart, passing over attributes we don't know. Raises `InvalidEnvelope`."""
    if not isinstance(element, dict):
        raise InvalidEnvelope("an event must be a JSON object")
    if element.get("specversion") != "1.0":
        raise InvalidEnvelope('specversion must be "1.0"')
    return CloudEvent(
        id=_text(element, "id", ID_LENGTH_MAX),
        source=_text(element, "source", NAME_LENGTH_MAX),
        type=_text(element, "type", NAME_LENGTH_MAX),
        time=None if element.get("time") is None else parse_instant(element["time"]),
        subject=None if element.get("subject") is None else _text(element, "subject", NAME_LENGTH_MAX),
        data=element.get("data"),
    )


def parse_instant(value: object) -> datetime:
    """RFC 3339 with an offset, or epoch seconds, as an instant in UTC, not before the year 2000.

    How far ahead is too far is for the reader to say. Raises `InvalidEnvelope`.
    """
    read = _instant(value)
    if read is None:
        raise InvalidEnvelope("time must be RFC 3339 with an offset, or epoch seconds")
    if read.year < EARLIEST_YEAR:
        raise InvalidEnvelope(f"time must not be before the year {EARLIEST_YEAR}")
    return read


def _instant(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            if (canonical := canonical_instant(value)) is not None:
                return canonical
            if RFC3339.fullmatch(value):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= EPOCH_SECONDS_MAX:
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError):
        pass
    return None


def _text(element: dict[str, object], name: str, length_max: int) -> str:
    value = element.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= length_max:
        raise InvalidEnvelope(f"{name} must be a string of 1 to {length_max} characters")
    return value
