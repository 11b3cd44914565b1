"""What the demo prints: colours and width on a terminal, plain lines elsewhere. Both processes write through this."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH: Final = 112
WIDTH_MAX: Final = 112
NARROW: Final = 76
PACE_SECONDS: Final = 0.05
"""On a terminal the lines of the day come at a pace that can be followed."""

TAGS: Final = {
    "gate": "green",
    "402": "bold red",
    "bill": "bold",
    "paid": "green",
    "SMS": "",
    "call": "",
    "card": "",
    "plan": "",
}
"""Who acts in a line of the day, and in what colour; everything else is dim."""


class Paper:
    """Standard output. Nothing here is interpreted: names and errors print as they are."""

    def __init__(self) -> None:
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
        is_terminal = sys.stdout.isatty()
        width = None if is_terminal or "COLUMNS" in os.environ else PLAIN_WIDTH
        self._console = Console(highlight=False, markup=False, width=width)
        self._console.width = min(self._console.width, WIDTH_MAX)
        self._is_terminal = is_terminal
        self._last: tuple[str, str] | None = None
        self._date: date | None = None

    @property
    def is_narrow(self) -> bool:
        return self._console.width < NARROW

    def say(self, text: str = "", style: str = "") -> None:
        """A paragraph, wrapped to the width and indented as its first line is."""
        indent = len(text) - len(text.lstrip(" "))
        self._print(Padding(Text(text.lstrip(" "), style=style), (0, 0, 0, indent)))

    def title(self, text: str, subtitle: str = "") -> None:
        self._print(Text())
        self._print(Rule(Text(f"{text} ", style="bold"), style="dim", align="left"))
        if subtitle:
            self._print(Text(subtitle, style="dim italic"))
        self._last = None

    def step(self, what: str, outcome: str, *, is_good: bool = True) -> None:
        """A line of set-up or of a check: what, and how it went."""
        line = Table.grid(padding=(0, 1))
        line.add_column(width=3, justify="right")
        line.add_column(width=20)
        line.add_column(ratio=1)
        mark = Text("✓" if is_good else "✗", style="bold green" if is_good else "bold red")
        line.add_row(mark, Text(what), Text(outcome, style="dim" if is_good else "bold red"))
        self._print(line)

    async def line(
        self, at: datetime, who: Text, tag: str, what: Text | str, *, balance: str | None = None, style: str = ""
    ) -> None:
        """A line of the day: clock time, whose, who acts, what, and the balance the dashboard has just heard of.

        Time and name stand only where they change, the date where a day begins.
        """
        self._turn_page(at)
        said = Text(what) if isinstance(what, str) else what
        said.stylize_before(style)
        time = f"{at:%H:%M:%S}"
        last_time, last_name = self._last or ("", "")
        self._last = (time, who.plain)
        name = who if who.plain != last_name else Text()
        cells = [Text(time if (time, who.plain) != (last_time, last_name) else "", style="dim")]
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=8)
        if self.is_narrow:
            said = Text.assemble(name, ": ", said) if name else said
        else:
            row.add_column(width=14, no_wrap=True, overflow="ellipsis")
            cells.append(name)
        row.add_column(width=4)
        row.add_column(ratio=1)
        row.add_column(width=8, justify="right", no_wrap=True)
        row.add_row(*cells, Text(tag, style=TAGS.get(tag, "dim")), said, Text(balance or "", style="bold"))
        self._print(row)
        if self._is_terminal:
            await asyncio.sleep(PACE_SECONDS)

    def _turn_page(self, at: datetime) -> None:
        if self._date not in (None, at.date()):
            self._print(Text(f"{at:%A}, {at.day} {at:%B}", style="bold underline"))
            self._last = None
        self._date = at.date()

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[RenderableType]], *, right: Sequence[str] = ()
    ) -> None:
        """Columns named in `right` hold amounts; they never wrap."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", border_style="dim", show_edge=False)
        for column in columns:
            is_amount = column in right
            table.add_column(
                column, justify="right" if is_amount else "left", no_wrap=is_amount, overflow="fold", vertical="top"
            )
        for row in rows:
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        self._print(Padding(table, (1, 0, 0, 2)))

    def _print(self, what: RenderableType) -> None:
        """Into a file without the blanks that fill a line."""
        if self._is_terminal:
            self._console.print(what)
            return
        with self._console.capture() as captured:
            self._console.print(what)
        for line in captured.get().splitlines():
            print(line.rstrip())
        sys.stdout.flush()
