"""`ringfence rate`: what would this usage cost? Nothing is posted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from services.commands.component_words import components_in_words
from services.commands.console import print_json, print_table, say
from services.commands.failures import CommandFailed, ExitCode
from services.commands.files import read_bytes, read_json
from services.commands.http_client import ringfence_api
from services.ledger.domain.quoting import quote, read_for_quote
from shared import strict_json
from shared.clock import SystemClock
from shared.money import six_decimals
from shared.rating.book import BookRefused, read_book
from shared.rating.compiled import compile_book

EVENTS_PER_REQUEST_MAX = 1_000
FAULTS_SHOWN_MAX = 20

JsonOption = Annotated[bool, typer.Option("--json", help="{data, total_usd}, as POST /v1/prices/quote answers.")]


@dataclass(frozen=True)
class Line:
    """One event of the file: where it stands, and either its JSON or why it has none."""

    place: str
    event: Any
    fault: str | None = None


def rate(
    file: Annotated[Path, typer.Argument(help='Usage as CloudEvents: a JSON array, or JSON lines. "-": stdin.')],
    prices: Annotated[Path | None, typer.Option(help="Price it by this book (JSON), without asking Ringfence.")] = None,
    json: JsonOption = False,
) -> None:
    """Price a file of usage events: by the prices in force for each account, or by a book you try out.

    Exit codes: 0 everything has a price, 1 something has none (the total is of the rest), 2 could not.
    """
    lines = list(read_lines(file))
    if not lines:
        raise CommandFailed(f"{file} holds no event", ExitCode.COULD_NOT)
    entries = _by_book(lines, prices) if prices is not None else _by_ringfence(lines)
    total_usd = six_decimals(sum(_micros(entry["total_usd"]) for entry in entries if "total_usd" in entry))
    if json:
        print_json({"data": entries, "total_usd": total_usd})
    else:
        _show(lines, entries, total_usd)
    if any("error" in entry for entry in entries):
        raise typer.Exit(ExitCode.REFUSED)


def read_lines(file: Path) -> Iterator[Line]:
    """The events of a JSON array, of one object, or of JSON lines, where a bad line spoils only itself."""
    body = read_bytes(file).removeprefix(b"\xef\xbb\xbf")
    lines = body.splitlines()
    first = next((line.strip() for line in lines if line.strip()), b"")
    try:
        whole = strict_json.loads(body)
    except strict_json.NotStrictJson as error:
        if first[:1] == b"[" or first == b"{":
            raise CommandFailed(f"{file}: {error}", ExitCode.COULD_NOT) from None
        yield from (_line(f"line {number}", line) for number, line in enumerate(lines, start=1) if line.strip())
        return
    for number, event in enumerate(whole if isinstance(whole, list) else [whole], start=1):
        yield Line(f"event {number}", event)


def _line(place: str, line: bytes) -> Line:
    try:
        return Line(place, strict_json.loads(line))
    except strict_json.NotStrictJson as error:
        return Line(place, None, str(error))


def _by_book(lines: Sequence[Line], path: Path) -> list[dict[str, Any]]:
    book = read_book(read_json(path))
    if isinstance(book, BookRefused):
        faults = "\n".join(f"{field}: {message}" for field, message in book.fields[:FAULTS_SHOWN_MAX])
        raise CommandFailed(f"{path} is no price book:\n{faults}")
    compiled, now = compile_book(book), SystemClock().now()
    good = [line for line in lines if line.fault is None]
    priced = quote([read_for_quote(line.event, now=now) for line in good], lambda _: compiled)["data"]
    return _merged(lines, iter(priced))


def _by_ringfence(lines: Sequence[Line]) -> list[dict[str, Any]]:
    return _merged(lines, _asked([line.event for line in lines if line.fault is None]))


def _asked(events: Sequence[Any]) -> Iterator[dict[str, Any]]:
    waiting = iter(events)
    with ringfence_api() as api:
        while batch := list(islice(waiting, EVENTS_PER_REQUEST_MAX)):
            yield from api.ask("POST", "/v1/prices/quote", {"events": batch})["data"]


def _merged(lines: Sequence[Line], priced: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry a line again, numbered through."""
    entries = []
    for index, line in enumerate(lines):
        if line.fault is not None:
            entry: dict[str, Any] = {"error": {"code": "invalid_event", "message": line.fault}}
        else:
            entry = next(priced)
        entries.append({**entry, "index": index})
    return entries


def _show(lines: Sequence[Line], entries: Sequence[dict[str, Any]], total_usd: str) -> None:
    rows = [_row(line, entry) for line, entry in zip(lines, entries, strict=True)]
    print_table(("where", "account", "type", "usd", "made up of"), rows, right=("usd",))
    without = sum("error" in entry for entry in entries)
    say("", f"Total of {len(entries) - without} events: ${total_usd}", style="bold")
    if without:
        say(f"{without} without a price.", style="red")


def _row(line: Line, entry: dict[str, Any]) -> tuple[object, ...]:
    event = line.event if isinstance(line.event, dict) else {}
    data = event.get("data")
    account = data.get("account_id") if isinstance(data, dict) else None
    if "error" in entry:
        words, total = f"{entry['error']['code']}: {entry['error']['message']}", "–"
    else:
        words, total = components_in_words(entry["components"]), entry["total_usd"]
    return (line.place, account, event.get("type"), total, words)


def _micros(usd: str) -> int:
    """Micros of an exact amount as quotes write it, of any size."""
    dollars, _, rest = usd.partition(".")
    return int(dollars) * 1_000_000 + int(rest.ljust(6, "0"))
