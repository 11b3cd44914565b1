"""A rate deck as carriers send it, one price a line of CSV, turned into a price book. Pure."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.money import PriceTextError, micros_of_price
from shared.rating.book import Book, BookRefused, read_book
from shared.rating.items import PER_OF_KIND

COLUMNS_HELP: Final = """\
The first line names the columns, in any order, separated by commas,
semicolons or tabs:

  item      voice, telephony, recording, sms, chat or number
  price     dollars, at most six decimals (also: price_usd)
  zone      a destination; without it, named by its prefix
  prefix    what its numbers begin with: one a line, or several
            separated by spaces
  per       minute, segment, message, 30d or month; without it,
            what the item is usually priced by
  tier  direction  increment_seconds  minimum_seconds  free_seconds
  setup_usd  max_usd  round_to_cents

Lines that differ in nothing but the prefix are one price for a zone
of several prefixes. Empty lines and those that begin with # are
passed over. Items the file does not price stay as they are. Steps
and hours have no columns: publish those as JSON."""

FAULTS_SHOWN_MAX: Final = 20

_RENAMED: Final = {"price": "price_usd"}
_TEXTS: Final = ("tier", "direction", "setup_usd", "max_usd")
_WHOLE: Final = ("increment_seconds", "minimum_seconds", "free_seconds")
COLUMNS: Final = ("item", "price_usd", "zone", "prefix", "per", *_TEXTS, *_WHOLE, "round_to_cents")
_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_PREFIX: Final = re.compile(r"\+?([0-9]{1,15})")
_ZONE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,64}")
_YES_NO: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False, "": False}

Fault = tuple[int, str]
"""Line of the file, what is wrong there; line 0 is the file as a whole."""


class DeckRefused(Exception):
    """The deck can't be published; `faults` in the order of the lines, at most FAULTS_SHOWN_MAX."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(f"line {line}: {text}" if line else text for line, text in faults))
        self.faults = faults


@dataclass
class _Deck:
    """What has been read so far, and in which line each part stood."""

    zones: dict[str, list[str]] = field(default_factory=dict)
    owners: dict[str, tuple[str, int]] = field(default_factory=dict)
    items: dict[tuple[object, ...], tuple[dict[str, Any], int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def book_from_deck(text: str, onto: Mapping[str, Any]) -> tuple[Book, list[str]]:
    """The deck as a whole book, and the kinds of item it prices: those of `onto` are replaced, the others stay.

    A zone of which the deck names no prefix is the one `onto` has. Raises DeckRefused, also for what the two together
    make wrong.
    """
    deck = _read(text)
    present: Mapping[str, list[str]] = onto.get("zones", {})
    _borrow_zones(deck, present)
    if deck.faults:
        raise DeckRefused(sorted(deck.faults)[:FAULTS_SHOWN_MAX])
    items, lines = [item for item, _ in deck.items.values()], [line for _, line in deck.items.values()]
    kinds = sorted({item["item"] for item in items})
    kept = [item for item in onto.get("items", ()) if item["item"] not in kinds]
    needed = {item["zone"] for item in kept if item.get("zone")}
    kept_zones = {name: prefixes for name, prefixes in present.items() if name in needed}
    book = read_book({"zones": {**kept_zones, **deck.zones}, "items": [*items, *kept]})
    if isinstance(book, BookRefused):
        raise DeckRefused([_placed(fault.path, fault.message, lines) for fault in book.fields[:FAULTS_SHOWN_MAX]])
    return book, kinds


def _read(text: str) -> _Deck:
    deck = _Deck()
    for line, cells in _rows(text):
        if len(deck.faults) >= FAULTS_SHOWN_MAX:
            return deck
        _take(deck, line, cells)
    if not deck.items and not deck.faults:
        deck.faults.append((0, "the file holds no price"))
    return deck


def _borrow_zones(deck: _Deck, present: Mapping[str, list[str]]) -> None:
    for item, line in deck.items.values():
        zone = item.get("zone")
        if zone is None or deck.zones[zone]:
            continue
        if zone in present:
            deck.zones[zone] = list(present[zone])
        else:
            deck.faults.append((line, f"zone {zone!r} has no prefix, neither in the file nor in the present book"))


def _rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    header = next((line for line in text.split("\n") if line.strip() and not line.startswith("#")), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row) or row[0].startswith("#"):
                continue
            if names is None:
                names = _columns(row, reader.line_num)
                continue
            if len(row) > len(names):
                raise DeckRefused([(reader.line_num, f"{len(row)} cells, but {len(names)} columns are named")])
            yield reader.line_num, dict(zip(names, (cell.strip() for cell in row), strict=False))
    except csv.Error as error:
        raise DeckRefused([(reader.line_num, f"not CSV: {error}")]) from None


def _columns(row: list[str], line: int) -> list[str]:
    names = [_RENAMED.get(name, name) for name in (cell.strip().lower() for cell in row)]
    if unknown := [name[:64] for name in names if name not in COLUMNS]:
        raise DeckRefused([(line, f"unknown column {', '.join(map(repr, unknown))}; there are {', '.join(COLUMNS)}")])
    if missing := [name for name in ("item", "price_usd") if name not in names]:
        raise DeckRefused([(line, f"the column {' and '.join(missing)} is missing; the first line names the columns")])
    if len(set(names)) != len(names):
        raise DeckRefused([(line, "a column is named twice")])
    return names


def _take(deck: _Deck, line: int, cells: Mapping[str, str]) -> None:
    """Add one line, or its faults."""
    prefixes = [_digits(prefix) for prefix in cells.get("prefix", "").split()]
    if None in prefixes:
        deck.faults.append((line, "prefix: 1 to 15 digits, several separated by spaces"))
        return
    zone = cells.get("zone") or (str(prefixes[0]) if prefixes else None)
    if zone and not _ZONE.fullmatch(zone):
        deck.faults.append((line, "zone: 1 to 64 characters, none of them a control character"))
        return
    try:
        item = _item(cells, zone)
        for prefix in prefixes:
            _own(deck, str(zone), str(prefix), line)
    except ValueError as error:
        deck.faults.append((line, str(error)))
        return
    if zone:
        deck.zones.setdefault(zone, [])
    keys = (item["item"], zone, item.get("tier"), item.get("direction"))
    before = deck.items.get(keys)
    if before is None:
        deck.items[keys] = (item, line)
    elif before[0] != item:
        what = f"{item['item']} for {zone or 'everywhere'}"
        deck.faults.append((line, f"another price for {what} than in line {before[1]}"))


def _own(deck: _Deck, zone: str, prefix: str, line: int) -> None:
    """Let the prefix belong to the zone; raises ValueError when it is another's."""
    owner, first = deck.owners.setdefault(prefix, (zone, line))
    if owner != zone:
        raise ValueError(f"prefix {prefix} belongs to zone {owner!r} since line {first}")
    if first == line and prefix not in deck.zones.setdefault(zone, []):
        deck.zones[zone].append(prefix)


def _item(cells: Mapping[str, str], zone: str | None) -> dict[str, Any]:
    kind = cells.get("item", "").lower()
    if kind not in PER_OF_KIND:
        raise ValueError(f"item: one of {', '.join(PER_OF_KIND)}, not {kind[:64]!r}")
    try:
        micros_of_price(cells.get("price_usd", ""))
    except PriceTextError as error:
        raise ValueError(f"price: {error}") from None
    item: dict[str, Any] = {
        "item": kind,
        "price_usd": cells.get("price_usd", ""),
        "per": cells.get("per", "").lower() or PER_OF_KIND[kind][0],
    }
    optional = {"zone": zone, **{name: cells.get(name) for name in _TEXTS}}
    item.update({name: value for name, value in optional.items() if value})
    for name in _WHOLE:
        if text := cells.get(name):
            if not _INTEGER.fullmatch(text):
                raise ValueError(f"{name}: a whole number of seconds, not {text[:64]!r}")
            item[name] = int(text)
    rounding = cells.get("round_to_cents", "").lower()
    if rounding not in _YES_NO:
        raise ValueError(f"round_to_cents: yes or no, not {rounding[:64]!r}")
    if _YES_NO[rounding]:
        item["round_to_cents"] = True
    return item


def _digits(text: str) -> str | None:
    match = _PREFIX.fullmatch(text)
    return None if match is None else match[1]


def _placed(path: str, message: str, lines: list[int]) -> Fault:
    """A fault of the book at the line it came from, if it came from one."""
    first, _, rest = path.partition(".")
    number, _, name = rest.partition(".")
    if first == "items" and number.isdecimal() and int(number) < len(lines):
        return lines[int(number)], f"{name or 'item'}: {_with_lines(message, lines)}"
    return 0, f"{path}: {message}"


def _with_lines(message: str, lines: list[int]) -> str:
    """ "items.3" in a message, as the line it stands in."""

    def line_of(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"line {lines[number]}" if number < len(lines) else "an item that is kept"

    return re.sub(r"items\.([0-9]+)", line_of, message)
