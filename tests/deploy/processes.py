"""A look at the processes that a folder's servers consist of."""

from __future__ import annotations

import time
from pathlib import Path

from deploy.local.processes import alive, descendants


def processes_of(folder: Path) -> list[int]:
    """All processes of the servers in this folder, as their pid files and the kernel tell."""
    pids = [int(path.read_text().split()[0]) for path in folder.glob("*.pid")]
    return [pid for parent in pids for pid in (parent, *descendants(parent))]


def left_after(pids: list[int], seconds: float) -> list[int]:
    """Those still there when the time is over; returns early when all are gone."""
    give_up = time.monotonic() + seconds
    while alive(pids) and time.monotonic() < give_up:
        time.sleep(0.05)
    return alive(pids)
