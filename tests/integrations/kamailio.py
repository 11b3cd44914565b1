"""The example's switch and callers, started as a newcomer starts them."""

import asyncio
import base64
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "kamailio"
START_SECONDS_MAX = 180
CALL_SECONDS_MAX = 150


@dataclass(frozen=True, slots=True)
class Call:
    """What the caller saw: talk time in milliseconds, or why there was no talk."""

    exit_code: int
    said: str

    @property
    def talked_ms(self) -> int:
        talked = re.match(r"talked (\d+) ms", self.said)
        assert talked, self.said
        return int(talked[1])


class Switch:
    """`switch.py` in a folder of its own, with the keys of `environment`."""

    def __init__(self, folder: Path, environment: dict[str, str], subscribers: Sequence[str], *options: str) -> None:
        self.folder = folder
        self._environment = {**os.environ, **environment}
        self._subscribers = subscribers
        self._options = options
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it takes calls."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLE / "switch.py"),
            *(*self._subscribers, "--folder", str(self.folder), *self._options),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS_MAX):
            line = await self._process.stdout.readline()
        assert b"takes calls" in line, line

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Kamailio and the sender as a power cut would end them, then the rest."""
        for name in ("kamailio", "sender"):
            pid = int((self.folder / f"{name}.pid").read_text().split()[0])
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            await process.communicate()

    def call(self, account: str, seconds: float, *options: str) -> "asyncio.Task[Call]":
        """The call is under way; await it for what the caller saw."""
        return asyncio.create_task(self._call(account, seconds, *options))

    async def _call(self, account: str, seconds: float, *options: str) -> Call:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLE / "call.py"),
            *(account, str(seconds), "--switch", str(self.folder), *options),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(CALL_SECONDS_MAX):
                said = (await process.communicate())[0].decode().strip()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.communicate()
        return Call(process.returncode or 0, said)

    def spooled(self, table: str = "waiting") -> list[tuple[str, dict[str, object]]]:
        """What waits to be sent, oldest first: path and body."""
        with closing(sqlite3.connect(self.folder / "spool.db", timeout=10)) as db:
            rows = db.execute(f"SELECT path, body FROM {table} ORDER BY rowid").fetchall()
        return [(path, json.loads(base64.b64decode(body))) for path, body in rows]

    def left_behind(self) -> str:
        """For whoever looks for a call that was not billed: what was not sent, and what both programs said."""
        lines = [f"{table}: {row}" for table in ("waiting", "refused") for row in self.spooled(table)]
        return "\n".join([*lines, *(f"{name} said:\n{self.log(name)}" for name in ("sender", "kamailio"))])

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()
