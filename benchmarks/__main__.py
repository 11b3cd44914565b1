"""`python -m benchmarks [--only PART]`: measure, show one table, write `.ringfence/bench.json`.

Exit code 1 when a part failed, of which a finding of the audit is one; with `--strict` also when a figure misses its
target. Missed ones are named in any case.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import uvloop
from rich.console import Console

from benchmarks import busy, cycle, debits, disorder, engine, gate, growth, memory, pipeline, reload, renewals
from benchmarks.cluster import shown
from benchmarks.figures import Figure, missed, show, write
from benchmarks.limits import Limits
from benchmarks.peers import beside, hordak
from benchmarks.stage import FOLDER, Stage, now_text, stage
from deploy.local.processes import SetUpError
from shared.logging import configure_logging

Part = Callable[[Stage, Limits], Awaitable[list[Figure]]]

PARTS: Final[dict[str, Part]] = {
    # Memory first: nothing has run through the servers yet.
    "memory": memory.measure,
    "engine": engine.measure,
    "debits": debits.measure,
    "disorder": disorder.measure,
    "gate": gate.measure,
    "busy": busy.measure,
    "cycle": cycle.measure,
    "pipeline": pipeline.measure,
    "reload": reload.measure,
    "renewals": renewals.measure,
    "peers": beside.measure,
    "growth": growth.measure,
    "cluster": shown.measure,
}
NOT_BY_DEFAULT: Final = ("growth", "cluster")
WIDTH: Final = 160
"""Of the tables where they are not shown on a terminal."""


async def _measure(
    names: Sequence[str], console: Console, options: argparse.Namespace
) -> tuple[list[Figure], list[str]]:
    """The figures, and the parts that failed."""
    figures: list[Figure] = []
    failed: list[str] = []
    async with stage(short=options.short, more_transfers=tuple(options.transfers)) as ready:
        limits = Limits(ready)
        for name in names:
            console.print(f"{name} …", style="dim")
            try:
                figures += await PARTS[name](ready, limits)
            except Exception:  # noqa: BLE001 -- whatever it was, it is shown and named at the end
                # What the other parts take ten minutes to find out is not lost with this one.
                console.print_exception(max_frames=8)
                failed.append(name)
    return figures, failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=list(PARTS), action="append", help="this part alone; may be repeated")
    parser.add_argument(
        "--transfers", type=int, action="append", default=[], help="a size more of the books for `growth`"
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 when a figure misses its target")
    parser.add_argument("--short", action="store_true", help="see that everything runs; the figures mean nothing")
    return parser.parse_args()


def main() -> None:
    options = _options()
    chosen = options.only or [name for name in PARTS if name not in NOT_BY_DEFAULT]
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    configure_logging("error", "console")
    began = now_text()
    try:
        if "peers" in (options.only or []) and not hordak.is_there():
            console.print("installing django-hordak into .ringfence/peers …", style="dim")
            uvloop.run(hordak.install())
        figures, failed = uvloop.run(_measure(chosen, console, options))
    except SetUpError as error:
        sys.exit(str(error))
    ended = now_text()
    show(figures, console)
    console.print(f"{began['at']}, {began['cores']} cores, load {began['load']} before and {ended['load']} after")
    for name in failed:
        console.print(f"failed: {name}", style="red")
    if options.short:
        console.print("a short run: nothing here means anything, and nothing was written")
        sys.exit(1 if failed else 0)
    write(figures, FOLDER.with_name("bench.json"))
    for line in missed(figures):
        console.print(f"missed: {line}")
    sys.exit(1 if failed or (options.strict and missed(figures)) else 0)


if __name__ == "__main__":
    main()
