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

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice, pairwise
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from shared.rating.hours import Window
from shared.rating.items import CALL_KINDS, PER_OF_KIND, Book, Item, Overrides

__all__ = ["Book", "BookRefused", "FieldError", "Item", "Overrides", "book_json", "read_book", "read_overrides"]

PREFIXES_MAX: Final = 1_000_000
WINDOWS_MAX: Final = 64
FIELDS_SHOWN_MAX: Final = 50
"""A refusal of a large book stays readable: only the first errors are listed."""
READ_ONLY_KEYS: Final = frozenset({"version", "created_at", "published_at"})

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
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return BookRefused(tuple(_field(fault["loc"], fault["msg"]) for fault in found[:FIELDS_SHOWN_MAX]))


def _field(location: tuple[int | str, ...], message: str) -> FieldError:
    return FieldError(".".join(map(str, location)), message.removeprefix("Value error, "))


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
                yield FieldError(f"zones.{name}.{index}", f"prefix {prefix} is already in zone {owner[prefix]}")
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
            yield FieldError(f"items.{index}.hours", f"more than {WINDOWS_MAX} windows with the same other keys")
