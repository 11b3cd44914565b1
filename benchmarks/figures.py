"""What was measured, and how it is shown: a figure beside the limit taken in the same run."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from rich.console import Console
from rich.table import Table

Bound = Literal["least", "most"]
PROCESSES = ("gate", "ledger", "PostgreSQL", "RabbitMQ", "us")
"""The columns of the second table; what else was measured follows them."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Spread:
    """How long operations took, in ms."""

    p50: float
    p99: float
    p999: float

    @classmethod
    def of(cls, latencies_ms: Sequence[float]) -> "Spread":
        return cls(percentile(latencies_ms, 50), percentile(latencies_ms, 99), percentile(latencies_ms, 99.9))

    @classmethod
    def middle(cls, spreads: Sequence["Spread"]) -> "Spread":
        """The medians of some runs."""
        return cls(
            median(spread.p50 for spread in spreads),
            median(spread.p99 for spread in spreads),
            median(spread.p999 for spread in spreads),
        )


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `ratio` is `absolute / limit`; `target` bounds the ratio: "least" from below, "most" from above.

    `cpu` is the CPU time of one operation in µs, by process.
    """

    name: str
    absolute: float
    unit: str
    limit: float
    limit_is: str
    target: float | None
    bound: Bound = "least"
    ratio_given: float | None = None
    spread: Spread | None = None
    cpu: Mapping[str, float] = field(default_factory=dict)

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
    bound: Bound = "least",
    spread: Spread | None = None,
    cpu: Mapping[str, float] | None = None,
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
        spread=spread,
        cpu=cpu or {},
    )


def show(figures: Sequence[Figure], console: Console) -> None:
    """The ratios; below them how long things took and who spent the processor."""
    console.print(_ratios(figures))
    detailed = [figure for figure in figures if figure.spread or figure.cpu]
    if detailed:
        console.print(_details(detailed))


def _ratios(figures: Sequence[Figure]) -> Table:
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
    return table


def _details(figures: Sequence[Figure]) -> Table:
    seen = {name for figure in figures for name in figure.cpu}
    processes = [*(name for name in PROCESSES if name in seen), *sorted(seen.difference(PROCESSES))]
    table = Table(title="How long one took (ms), and the CPU time of one by process (µs)", title_justify="left")
    table.add_column("figure")
    for heading in ("p50", "p99", "p99.9", *processes):
        table.add_column(heading, justify="right")
    for figure in figures:
        spread = figure.spread
        times = ("", "", "") if spread is None else [_short(time) for time in (spread.p50, spread.p99, spread.p999)]
        spent = [_short(figure.cpu[name]) if name in figure.cpu else "" for name in processes]
        table.add_row(figure.name, *times, *spent)
    return table


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def missed(figures: Sequence[Figure]) -> list[str]:
    """A line per figure that did not reach its target."""
    return [
        f"{figure.name}: {figure.ratio:.2f}, wanted {'at least' if figure.bound == 'least' else 'at most'} "
        f"{figure.target:g}"
        for figure in figures
        if figure.is_met is False
    ]


def write(figures: Sequence[Figure], path: Path) -> None:
    """The ratios by name; those of an earlier run that this one did not take are kept."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept |= {figure.name: round(figure.ratio, 4) for figure in figures}
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
