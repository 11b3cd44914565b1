"""What was measured, and how it is shown: a figure beside the limit taken in the same run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `ratio` is `absolute / limit`; `target` bounds the ratio: "least" from below, "most" from above."""

    name: str
    absolute: float
    unit: str
    limit: float
    limit_is: str
    target: float | None
    bound: Literal["least", "most"] = "least"
    ratio_given: float | None = None

    @property
    def ratio(self) -> float:
        return self.absolute / self.limit if self.ratio_given is None else self.ratio_given

    @property
    def is_met(self) -> bool | None:
        """None where nothing was promised."""
        if self.target is None:
            return None
        return self.ratio >= self.target if self.bound == "least" else self.ratio <= self.target


@dataclass(frozen=True, slots=True)
class Pair:
    """A measurement and the limit taken right before it."""

    value: float
    limit: float


def median_figure(
    name: str,
    pairs: Sequence[Pair],
    *,
    unit: str,
    limit_is: str,
    target: float | None,
    bound: Literal["least", "most"] = "least",
) -> Figure:
    """The median of the pairs' ratios, with the median absolutes beside it."""
    return Figure(
        name=name,
        absolute=median(pair.value for pair in pairs),
        unit=unit,
        limit=median(pair.limit for pair in pairs),
        limit_is=limit_is,
        target=target,
        bound=bound,
        ratio_given=median(pair.value / pair.limit for pair in pairs),
    )


def show(figures: Sequence[Figure], console: Console) -> None:
    table = Table(title="Ringfence beside the limits of this machine, in one run", title_justify="left")
    for heading in ("figure", "absolute", "limit in the same run", "ratio", "target", "met"):
        table.add_column(heading, justify="left" if heading in ("figure", "limit in the same run") else "right")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{_short(figure.absolute)} {figure.unit}",
            f"{_short(figure.limit)} {figure.limit_is}",
            f"{figure.ratio:.2f}",
            "" if figure.target is None else f"{'≥' if figure.bound == 'least' else '≤'} {figure.target:g}",
            {True: "yes", False: "[red]no[/red]", None: ""}[figure.is_met],
        )
    console.print(table)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write(figures: Sequence[Figure], path: Path) -> None:
    """The ratios by name; those of an earlier run that this one did not take are kept."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept |= {figure.name: round(figure.ratio, 4) for figure in figures}
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
