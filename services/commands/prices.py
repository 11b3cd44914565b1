"""`ringfence prices …`: the price book, shown, published, made from a carrier's rate deck."""

from pathlib import Path
from typing import Annotated, Any

import typer

from services.commands import rate_deck
from services.commands.console import print_json, print_table, say
from services.commands.failures import CommandFailed
from services.commands.files import read_json, read_text
from services.commands.http_client import ringfence_api
from shared.contracts.fields_v1 import is_caller_id
from shared.rating.book import BookRefused, book_json, read_book

app = typer.Typer(help="Show and publish the price book, import a rate deck.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="As PUT /v1/prices takes it.")]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="In force from this RFC 3339 time on, not from now.")
]
FileArgument = Annotated[Path, typer.Argument(help='"-" reads standard input.')]

ZONES_SHOWN_MAX = 20
PREFIXES_SHOWN_MAX = 12


@app.command()
def show(
    version: Annotated[int | None, typer.Option(min=1, help="Not the one in force but this.")] = None,
    account: Annotated[str | None, typer.Option(help="This account's own prices instead.")] = None,
    json: JsonOption = False,
) -> None:
    """The prices in force, or a version of them."""
    path = "/v1/prices" if account is None else f"/v1/accounts/{_known(account)}/prices"
    with ringfence_api() as api:
        book = api.get(path, version=version)
    if json:
        print_json(book)
    else:
        say(f"Version {book['version']}, in force since {book['effective_at']}.", "")
        _show_book(book)


@app.command()
def publish(
    file: FileArgument,
    account: Annotated[str | None, typer.Option(help="As this account's own prices.")] = None,
    at: AtOption = None,
) -> None:
    """Publish a price book (JSON, as `prices show --json` prints it) as the next version, in force at once.

    What is not right is told with its path, and nothing is published: exit code 1.
    """
    book = read_json(file)
    if not isinstance(book, dict):
        raise CommandFailed(f"{file} holds no price book: a JSON object with zones and items is one")
    book = dict(book)
    if at is not None:
        book["effective_at"] = at
    elif "version" in book:  # printed by `show`: its time is that of the version it was
        book.pop("effective_at", None)
    with ringfence_api() as api:
        path = "/v1/prices" if account is None else f"/v1/accounts/{_known(account)}/prices"
        published = api.ask("PUT", path, {key: value for key, value in book.items() if key not in OF_A_VERSION})
    say(f"Version {published['version']} is published, in force from {published['effective_at']}.")


OF_A_VERSION = frozenset({"version", "created_at", "account_id"})
"""What the API adds to a book when it shows one."""


@app.command("import", help=f"Make a price book from a rate deck (CSV).\n\n{rate_deck.COLUMNS_HELP}")
def import_deck(
    file: FileArgument,
    publish: Annotated[bool, typer.Option("--publish", help="Publish it; without, it is only shown.")] = False,
    onto: Annotated[
        Path | None, typer.Option(help="A price book (JSON) to build on, instead of the one in force.")
    ] = None,
    at: AtOption = None,
    json: JsonOption = False,
) -> None:
    """Without --publish nothing is published. Exit code 1: the deck is not right, every fault with its line."""
    try:
        book, kinds = rate_deck.book_from_deck(read_text(file), _present(onto))
    except rate_deck.DeckRefused as refused:
        raise CommandFailed(f"{file} is not published:\n{refused}") from None
    made = book_json(book)
    if json:
        print_json(made)
    else:
        say(f"Prices of {', '.join(kinds)} from {file}; those of other items stay as they are.", "")
        _show_book(made)
    if publish:
        with ringfence_api() as api:
            published = api.ask("PUT", "/v1/prices", made if at is None else {**made, "effective_at": at})
        if not json:
            say("", f"Version {published['version']} is published, in force from {published['effective_at']}.")
    elif not json:
        say("", "Nothing is published yet: the same with --publish does it.")


def _present(onto: Path | None) -> dict[str, Any]:
    """What a deck is built on: a checked book from a file, else the one in force."""
    if onto is None:
        with ringfence_api() as api:
            book: dict[str, Any] = api.get("/v1/prices")
            return book
    read = read_book({key: value for key, value in _object(onto).items() if key != "effective_at"})
    if isinstance(read, BookRefused):
        faults = "\n".join(f"{path}: {message}" for path, message in read.fields[: rate_deck.FAULTS_SHOWN_MAX])
        raise CommandFailed(f"{onto} is no price book:\n{faults}")
    return book_json(read)


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise CommandFailed(f"{path} holds no price book: a JSON object with zones and items is one")
    return value


def _show_book(book: dict[str, Any]) -> None:
    columns = ("item", "price", "per", "for", "how")
    print_table(columns, [_item_row(item) for item in book["items"]], right=("price",))
    zones: dict[str, list[str]] = book.get("zones") or {}
    if zones:
        rows = [(name, _short(prefixes)) for name, prefixes in list(zones.items())[:ZONES_SHOWN_MAX]]
        say("")
        print_table(("zone", "prefixes"), rows)
    if len(zones) > ZONES_SHOWN_MAX:
        say(f"… and {len(zones) - ZONES_SHOWN_MAX} more zones (--json shows all)")


def _item_row(item: dict[str, Any]) -> tuple[object, ...]:
    keys = [str(item[key]) for key in ("zone", "tier", "direction") if item.get(key)]
    if hours := item.get("hours"):
        keys.append(f"{','.join(map(str, hours['days']))} {hours['from']}–{hours['to']} {hours['timezone']}")
    how = [
        f"{name.replace('_', ' ')} {item[name]}"
        for name in ("minimum_seconds", "free_seconds", "setup_usd", "max_usd")
        if item.get(name)
    ]
    if (increment := item.get("increment_seconds", 60)) != 60:
        how.append("by the second" if increment == 1 else f"in steps of {increment} seconds")
    how += [f"from second {step['from_seconds']} ${step['price_usd']}" for step in item.get("steps") or ()]
    if item.get("round_to_cents"):
        how.append("rounded to cents")
    return (item["item"], f"${item['price_usd']}", item["per"], ", ".join(keys) or "everything", ", ".join(how))


def _short(prefixes: list[str]) -> str:
    shown = ", ".join(prefixes[:PREFIXES_SHOWN_MAX])
    more = len(prefixes) - PREFIXES_SHOWN_MAX
    return f"{shown} … and {more} more" if more > 0 else shown


def _known(account_id: str) -> str:
    if not is_caller_id(account_id):
        raise CommandFailed(f"{account_id!r} can't be the id of an account")
    return account_id
