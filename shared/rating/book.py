"""A price book as it is published (contract §4 `PUT /v1/prices`), and everything that is refused on
publish.

`read_book(raw)` → Book | BookRefused; `read_overrides(raw, zones)` → Overrides | BookRefused. `raw` is
decoded JSON. A refusal lists `fields: [{path, message}]` with dotted paths ("items.3.price_usd").

Decisions where the contract is silent:
- Unknown keys are refused: a misspelt `free_second` would be a wrong bill. Read-only keys of `GET
  /v1/prices` (READ_ONLY_KEYS) are ignored, so that a book can be read, edited and put back. `null` counts
  as absent.
- Call-only keys (increment other than 60, minimum, free, setup, steps) are refused on sms and chat, where
  they could only be ignored; a number takes `setup_usd` (charged at renting). Any kind takes any matching
  key; a key the usage does not have (a chat's zone) simply never fits.
- Steps rise strictly; the item's own price applies below the first `from_seconds`.
- A prefix belongs to one zone. A leading "+" is dropped.
- Equal twins (same item and same keys) are refused. Two hours windows of one time zone that overlap, all
  other keys equal, are twins in the overlap and refused too.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
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
PREFIXES_MAX: Final = 1_000_000
STEPS_MAX: Final = 32
WINDOWS_MAX: Final = 64
FIELDS_SHOWN_MAX: Final = 50
"""A refusal of a large book stays readable: only the first errors are listed."""

READ_ONLY_KEYS: Final = frozenset({"version", "created_at", "published_at"})

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
        if isinstance(value, int) and not isinstance(value, bool):
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


_M = TypeVar("_M", bound=BaseModel)


class FieldError(NamedTuple):
    """One reason of a refusal; `path` is dotted."""

    path: str
    message: str


class BookRefused(NamedTuple):
    """Not published, and why; at most FIELDS_SHOWN_MAX reasons."""

    fields: tuple[FieldError, ...]


def read_book(raw: object, *, not_before: datetime | None = None) -> Book | BookRefused:
    """Validate a whole price book; `not_before` is the time before which `effective_at` is refused."""
    book = _validated(Book, raw)
    if isinstance(book, BookRefused):
        return book
    return _judged(book, _book_faults(book, not_before))


def read_overrides(raw: object, zones: Mapping[str, list[str]]) -> Overrides | BookRefused:
    """Validate an account's overrides against the zones of the book they stand on."""
    overrides = _validated(Overrides, raw)
    if isinstance(overrides, BookRefused):
        return overrides
    return _judged(overrides, _item_faults(overrides.items, zones))


def book_json(book: Book | Overrides) -> dict[str, Any]:
    """The published form again (absent keys left out, prices as they were written)."""
    return book.model_dump(mode="json", by_alias=True, exclude_none=True)


def _validated(model: type[_M], raw: object) -> _M | BookRefused:
    if isinstance(raw, dict):
        raw = {key: value for key, value in raw.items() if key not in READ_ONLY_KEYS}
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[:FIELDS_SHOWN_MAX]
        return BookRefused(tuple(FieldError(".".join(map(str, e["loc"])), e["msg"]) for e in first))


def _judged(book: _M, faults: Iterator[FieldError]) -> _M | BookRefused:
    found = tuple(islice(faults, FIELDS_SHOWN_MAX))
    return BookRefused(found) if found else book


def _book_faults(book: Book, not_before: datetime | None) -> Iterator[FieldError]:
    if book.effective_at and not_before and book.effective_at < not_before:
        yield FieldError("effective_at", "is in the past")
    yield from _zone_faults(book.zones)
    yield from _item_faults(book.items, book.zones)


def _zone_faults(zones: Mapping[str, list[str]]) -> Iterator[FieldError]:
    if sum(map(len, zones.values())) > PREFIXES_MAX:
        yield FieldError("zones", f"more than {PREFIXES_MAX} prefixes")
        return
    owner: dict[str, str] = {}
    for name, prefixes in zones.items():
        if not prefixes:
            yield FieldError(f"zones.{name}", "a zone needs at least one prefix")
        for index, prefix in enumerate(prefixes):
            if prefix in owner:
                yield FieldError(
                    f"zones.{name}.{index}", f"prefix {prefix} is already in zone {owner[prefix]}"
                )
            owner.setdefault(prefix, name)


def _item_faults(items: list[Item], zones: Mapping[str, list[str]]) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        for path, message in _faults_of_one(item, zones):
            yield FieldError(f"items.{index}.{path}", message)
    yield from _twins(items)


def _faults_of_one(item: Item, zones: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    allowed = PER_OF_KIND[item.item]
    if item.per not in allowed:
        yield "per", f"{item.item} is priced per {' or '.join(allowed)}"
    if item.zone is not None and item.zone not in zones:
        yield "zone", "is not among the zones of the price book"
    if item.item not in CALL_KINDS:
        yield from _call_only_keys(item)
    for index, step in enumerate(item.steps or ()):
        if step.per not in allowed:
            yield f"steps.{index}.per", f"{item.item} is priced per {' or '.join(allowed)}"
    starts = [step.from_seconds for step in item.steps or ()]
    if any(late <= early for early, late in pairwise(starts)):
        yield "steps", "from_seconds must rise from step to step"


def _call_only_keys(item: Item) -> Iterator[tuple[str, str]]:
    refused = {
        "increment_seconds": item.increment_seconds != 60,
        "minimum_seconds": bool(item.minimum_seconds),
        "free_seconds": bool(item.free_seconds),
        "steps": bool(item.steps),
        "setup_usd": item.setup_usd is not None and item.item != "number",
    }
    for key, is_set in refused.items():
        if is_set:
            yield key, f"has no meaning for {item.item}"


def _twins(items: list[Item]) -> Iterator[FieldError]:
    seen: dict[tuple[str | None, ...], list[tuple[int, Window | None]]] = {}
    for index, item in enumerate(items):
        window = item.hours.window() if item.hours else None
        zone_of_clock = item.hours.timezone if item.hours else None
        others = seen.setdefault((item.item, item.tier, item.zone, item.direction, zone_of_clock), [])
        for other_index, other in others:
            if window is None or other is None or window.overlaps(other):
                yield FieldError(f"items.{index}", f"is a twin of items.{other_index}: same item, same keys")
                break
        if len(others) < WINDOWS_MAX:
            others.append((index, window))
        else:
            yield FieldError(
                f"items.{index}.hours", f"more than {WINDOWS_MAX} windows with the same other keys"
            )
