"""What commands print: tables and lines for people, JSON for scripts. Nothing in the data can move the cursor."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPED_WIDTH = 200
"""Into a file or a pipe tables are not squeezed to a terminal's width."""


def console() -> Console:
    """Standard output as it is now."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False, markup=False)


def say(*lines: str, style: str | None = None) -> None:
    """Lines of text; long ones are left to the terminal to wrap, so that they can be copied whole."""
    for line in lines:
        console().print(Text(printable(line), style=style or ""), soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, right: Iterable[str] = ()
) -> None:
    """A table; the columns named in `right` are amounts and counts. None shows as nothing."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    numeric = set(right)
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in row))
    console().print(table)


def printable(text: str) -> str:
    """The text without anything a terminal would obey: escapes, control characters, text direction."""
    return "".join(one if one.isprintable() or one == "\n" else f"\\u{ord(one):04x}" for one in text)
