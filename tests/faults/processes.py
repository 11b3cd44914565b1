"""Services as processes of their own: started by the nursery, killed by signal, watched by pidfd."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Nursery:
    """The process that forks the others."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._one_at_a_time = asyncio.Lock()

    async def start(self, request: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._one_at_a_time:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *["-m", "tests.faults.nursery"],
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Nursery(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@dataclass
class Replica:
    """One process that hosts one service, and how to start it again."""

    name: str
    service: str
    environment: Mapping[str, str]
    log: Path
    nursery: Nursery
    skew_file: Path | None = None
    pid: int | None = None
    kills: int = 0
    _pidfd: int = field(default=-1, repr=False)

    async def start(self) -> None:
        assert self.pid is None
        self.pid = await self.nursery.start(
            {
                "words": ["run", "--services", self.service],
                "environment": dict(self.environment),
                "log": str(self.log),
                "skew_file": None if self.skew_file is None else str(self.skew_file),
            }
        )
        self._pidfd = os.pidfd_open(self.pid)

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        self.kills += self.pid is not None
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        await self._end(signal.SIGTERM)

    async def ended(self) -> None:
        """Wait until the process is gone."""
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pidfd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(self._pidfd)

    @property
    def is_up(self) -> bool:
        return self.pid is not None and Path(f"/proc/{self.pid}").exists()

    @property
    def resident_bytes(self) -> int:
        """Memory of its own and shared, as the kernel counts it."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    async def _end(self, how: signal.Signals) -> None:
        if self.pid is None:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, how)
        await self.ended()
        os.close(self._pidfd)
        self.pid, self._pidfd = None, -1
