"""`python -m benchmarks [--only PART]`: measure, show one table, write `.ringfence/bench.json`.

Exit code 1 when a figure misses its target.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import uvloop
from rich.console import Console

from benchmarks import engine, gate, growth, memory, pipeline
from benchmarks.figures import Figure, show, write
from benchmarks.limits import Limits
from benchmarks.stage import FOLDER, Stage, now_text, stage
from deploy.local.processes import SetUpError

Part = Callable[[Stage, Limits], Awaitable[list[Figure]]]

PARTS: Final[dict[str, Part]] = {
    # Memory first: nothing has run through the servers yet.
    "memory": memory.measure,
    "engine": engine.measure,
    "gate": gate.measure,
    "pipeline": pipeline.measure,
    "growth": growth.measure,
}
NOT_BY_DEFAULT: Final = ("growth",)


async def _measure(names: Sequence[str], console: Console) -> list[Figure]:
    figures: list[Figure] = []
    async with stage() as ready:
        limits = Limits(ready)
        for name in names:
            console.print(f"{name} …", style="dim")
            figures += await PARTS[name](ready, limits)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=list(PARTS), action="append", help="this part alone; may be repeated")
    chosen = parser.parse_args().only or [name for name in PARTS if name not in NOT_BY_DEFAULT]
    console = Console()
    began = now_text()
    try:
        figures = uvloop.run(_measure(chosen, console))
    except SetUpError as error:
        sys.exit(str(error))
    ended = now_text()
    show(figures, console)
    console.print(f"{began['at']}, {began['cores']} cores, load {began['load']} before and {ended['load']} after")
    write(figures, FOLDER.with_name("bench.json"))
    sys.exit(0 if all(figure.is_met is not False for figure in figures) else 1)


if __name__ == "__main__":
    main()
