"""The models of a price book: what an item, an override list and a book look like (contract §4).

Strict: no coercion, unknown keys refused. Rules that look at more than one field are in `book`.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
)

from shared.clock import rfc3339
from shared.money import micros_of_price
from shared.rating.hours import Window
from shared.rating.hours_text import (
    day_numbers,
    day_texts,
    end_time,
    seconds_of_time,
    start_time,
    time_zone_name,
)

ItemKind = Literal["voice", "telephony", "recording", "sms", "chat", "number"]
Direction = Literal["outbound", "inbound"]
Per = Literal["minute", "segment", "message", "30d", "month"]

CALL_KINDS: Final[tuple[ItemKind, ...]] = ("voice", "telephony", "recording")
PER_OF_KIND: Final[dict[str, tuple[Per, ...]]] = {
    "voice": ("minute",),
    "telephony": ("minute",),
    "recording": ("minute",),
    "sms": ("segment",),
    "chat": ("message",),
    "number": ("30d", "month"),
}
SECONDS_MAX: Final = 86_400
ITEMS_MAX: Final = 50_000
ZONES_MAX: Final = 20_000
STEPS_MAX: Final = 32


_PREFIX: Final = re.compile(r"\+?([0-9]{1,15})")
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_NAME: Final = r"^[^\x00-\x1f\x7f]{1,64}$"


def _price_text(text: str) -> str:
    micros_of_price(text)
    return text


def _prefix_digits(text: str) -> str:
    match = _PREFIX.fullmatch(text)
    if match is None:
        raise ValueError('a prefix is 1 to 15 digits, for example "4420"')
    return match[1]


def _instant(value: object) -> datetime | None:
    """RFC 3339 with an offset, or epoch seconds; a naive time is refused."""
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError("a time is RFC 3339 with an offset, or epoch seconds")


PriceText = Annotated[str, AfterValidator(_price_text)]
Prefix = Annotated[str, AfterValidator(_prefix_digits)]
Name = Annotated[str, Field(pattern=_NAME)]
Seconds = Annotated[int, Field(ge=0, le=SECONDS_MAX)]
Increment = Annotated[int, Field(ge=1, le=SECONDS_MAX)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, populate_by_name=False)


class Hours(_Strict):
    """Days ("mon" … "sun", full names, 1–7 from Monday, ranges like "mon-fri"), "HH:MM" times, an IANA
    zone.
    """

    days: Annotated[list[str], BeforeValidator(day_texts)]
    from_: Annotated[str, AfterValidator(start_time)] = Field(alias="from")
    to: Annotated[str, AfterValidator(end_time)]
    timezone: Annotated[str, AfterValidator(time_zone_name)]

    def window(self) -> Window:
        """The same as numbers."""
        return Window(
            days=day_numbers(self.days),
            from_second=seconds_of_time(self.from_),
            to_second=seconds_of_time(self.to),
            timezone=self.timezone,
        )


class Step(_Strict):
    """From this second of a call on: another price and increment."""

    from_seconds: Seconds
    price_usd: PriceText
    per: Per
    increment_seconds: Increment


class Item(_Strict):
    """One price, and the keys (tier, zone, direction, hours) that say for what."""

    item: ItemKind
    tier: Name | None = None
    zone: Name | None = None
    direction: Direction | None = None
    price_usd: PriceText
    per: Per
    increment_seconds: Increment = 60
    minimum_seconds: Seconds | None = None
    setup_usd: PriceText | None = None
    free_seconds: Seconds | None = None
    steps: Annotated[list[Step], Field(max_length=STEPS_MAX)] | None = None
    hours: Hours | None = None
    max_usd: PriceText | None = None
    round_to_cents: bool | None = None


class Overrides(_Strict):
    """`PUT /v1/accounts/{id}/prices`: items that beat any book item for one account."""

    items: Annotated[list[Item], Field(max_length=ITEMS_MAX)]


class Book(Overrides):
    """`PUT /v1/prices`. `effective_at` None = from now on."""

    effective_at: Annotated[
        datetime | None, BeforeValidator(_instant), PlainSerializer(rfc3339, when_used="unless-none")
    ] = None
    zones: Annotated[dict[Name, list[Prefix]], Field(max_length=ZONES_MAX)] = Field(default_factory=dict)
