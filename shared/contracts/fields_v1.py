"""Field types that every message and request shares (contract §0)."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

ID_PATTERN = r"^[A-Za-z0-9_.:+@;=-]{1,128}$"
_ID = re.compile(r"[A-Za-z0-9_.:+@;=-]{1,128}")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
"""What every reader of JSON on our way takes for an integer; beyond it an id is sent as a string."""
EARLIEST_YEAR, LATEST_YEAR = 2000, 2200


class Strict(BaseModel):
    """No value is turned into another type: `true` is no number and "5" is no 5. Unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _caller_id(value: Any) -> Any:
    """A JSON integer and its decimal string are the same id."""
    if isinstance(value, int) and not isinstance(value, bool) and INTEGER_MIN <= value <= INTEGER_MAX:
        return str(value)
    return value


CallerId = Annotated[
    str,
    BeforeValidator(
        _caller_id,
        json_schema_input_type=Annotated[str, Field(pattern=ID_PATTERN)]
        | Annotated[int, Field(ge=INTEGER_MIN, le=INTEGER_MAX)],
    ),
    StringConstraints(pattern=ID_PATTERN),
]
"""An id the caller chose. Letters, digits and `_.:+@;=-`, 1 to 128 of them; or an integer of 64 bits."""


SentId = str | int
"""A caller's id as it is shown: an integer where it came as one."""


def is_caller_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def instant(value: Any) -> datetime:
    """RFC 3339 with an offset, or epoch seconds; between the years 2000 and 2200. Raises ValueError."""
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            parsed = canonical_instant(value) or _other_instant(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            parsed = datetime.fromtimestamp(value, UTC)
        else:
            raise ValueError("expected an RFC 3339 time with an offset, or epoch seconds")
    except (OverflowError, OSError) as error:
        raise ValueError("the time is out of range") from error
    if not EARLIEST_YEAR <= parsed.year < LATEST_YEAR:
        raise ValueError(f"the time must be between the years {EARLIEST_YEAR} and {LATEST_YEAR}")
    return parsed


def canonical_instant(text: str) -> datetime | None:
    """An instant written as contract §0 writes it, `2026-11-24T15:04:05.123Z`; None for a text of any other form.

    Nearly all senders use that form, and this is four times as fast. Raises ValueError where the form is right and
    the instant is none: between these marks there is room for digits alone, and at those the parser looks.
    """
    if (
        len(text) == 24
        and text[10] == "T"
        and text[23] == "Z"
        and text[4] == text[7] == "-"
        and text[13] == text[16] == ":"
        and text[19] == "."
    ):
        return datetime.fromisoformat(text)
    return None


def _other_instant(text: str) -> datetime:
    if not _RFC3339.fullmatch(text):
        raise ValueError("expected an RFC 3339 time with an offset, such as 2026-03-01T12:00:00.000Z")
    return datetime.fromisoformat(text.replace("z", "Z").replace(",", ".")).astimezone(UTC)


Instant = Annotated[
    datetime,
    BeforeValidator(
        instant,
        json_schema_input_type=Annotated[str, Field(json_schema_extra={"format": "date-time"})] | float,
    ),
]
"""Aware, in UTC."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
"""Free text that a person reads: names, reasons, descriptions."""
