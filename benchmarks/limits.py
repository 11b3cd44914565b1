"""The limits of the machine, each prepared when first asked for."""

import sys

from benchmarks.pgbench import Pgbench
from benchmarks.stage import Stage
from benchmarks.wrk import Wrk


class Limits:
    """pgbench's database takes ten seconds and memory: whoever does not need it does not get it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._pgbench: Pgbench | None = None
        self._wrk: Wrk | None = None

    async def pgbench(self) -> Pgbench:
        if self._pgbench is None:
            self._pgbench = await Pgbench.prepare(self._stage)
        return self._pgbench

    async def wrk(self) -> Wrk:
        if self._wrk is None:
            self._wrk = await Wrk.find(lambda line: print(line, file=sys.stderr, flush=True))
        return self._wrk
