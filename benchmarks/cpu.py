"""Who spends the processor: CPU time per operation of each process, servers included."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.processes import descendants

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SERVERS = {"PostgreSQL": "postgres.pid", "RabbitMQ": "rabbitmq.pid"}
"""Their pid files in the stage's folder; a server that was given to us has none and is not counted."""

Micros = Mapping[str, float]
"""CPU time of one operation, in µs, by process."""


@dataclass(frozen=True)
class Meter:
    """Groups of processes by the name they have in the table; `us` is this process, which plays the platform."""

    roots: Mapping[str, int]
    _began: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, **ours: int) -> "Meter":
        """Both servers of that folder, and processes of ours by name."""
        roots = dict(ours)
        for name, pid_file in SERVERS.items():
            with suppress(OSError, ValueError):
                roots[name] = int((folder / pid_file).read_text().split()[0])
        return cls(roots)

    def begin(self) -> None:
        """From now on."""
        self._began.update(self._spent())

    def micros(self, operations: int) -> Micros:
        """Per operation since `begin`, processes that spent less than a tick of the kernel's clock left out."""
        return {
            name: (spent - self._began[name]) / operations * 1e6
            for name, spent in self._spent().items()
            if spent > self._began[name]
        }

    def _spent(self) -> dict[str, float]:
        return {name: family_seconds(pid) for name, pid in self.roots.items()}


def family_seconds(root: int) -> float:
    """CPU time of a process and all below it, those that have ended included."""
    if root == os.getpid():  # the servers and services are below us, and have names of their own
        return sum(os.times()[:2])
    return sum(_ticks(pid) for pid in (root, *descendants(root))) / TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    """User and system time, its own and that of children it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])


def mean_micros(runs: Sequence[Micros]) -> Micros:
    """The mean over some runs of the same length."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: sum(run.get(name, 0.0) for run in runs) / len(runs) for name in names}
