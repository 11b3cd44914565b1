"""What the whole idle system takes: proportional set size of both servers and of our processes."""

import asyncio
import os
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.limits import Limits
from benchmarks.stage import Stage
from benchmarks.system import system
from deploy.local.processes import descendants

IDLE_SECONDS = 10
MB = 1_000_000


def pss_bytes(pid: int) -> int:
    """The share of memory that is this process's own: shared pages are divided among their users."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


async def measure(stage: Stage, limits: Limits) -> list[Figure]:
    """Everything below us: PostgreSQL, RabbitMQ with epmd, the gate, all else. Not the benchmark itself."""
    async with system(stage):
        await asyncio.sleep(IDLE_SECONDS)
        total = sum(pss_bytes(pid) for pid in descendants(os.getpid())) / MB
    return [Figure("memory, all idle", total, "MB", 700, "MB, the most allowed", target=1.0, bound="most")]
