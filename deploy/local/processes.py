"""Server processes that cannot outlive us, found again when they did all the same.

A pid file holds pid and start time, so that a pid used again by somebody else is never mistaken for ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[str], None]

LAUNCH = Path(__file__).with_name("launch.py")
PORT_FIRST = 20_000
"""Below the range the kernel lends to outgoing connections: there, a client that knocks at the port of a
stopped server can be lent that very port, connect to itself and keep the server from coming back."""
PORT_LAST = 32_000
PORT_TRIES_MAX = 200
PORT_PARTS = 32
_chance = random.SystemRandom()
"""Whoever seeds the common one, in two processes alike, does not make them choose alike."""
POLL_SECONDS = 0.03
END_PATIENCE_SECONDS = 10.0


class SetUpError(Exception):
    """A server could not be had; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a server runs as when we are root."""

    uid: int
    gid: int


def free_port(taken: frozenset[int] = frozenset()) -> int:
    """A port of 127.0.0.1 on which nobody listens now, and none of `taken`.

    Processes that start servers side by side look in different parts of the range first: a port that one has found is
    not bound until its server is up.
    """
    part = (PORT_LAST - PORT_FIRST) // PORT_PARTS
    ours = PORT_FIRST + os.getpid() % PORT_PARTS * part
    for tries in range(PORT_TRIES_MAX):
        in_ours = tries < PORT_TRIES_MAX // 2
        port = _chance.randint(ours, ours + part - 1) if in_ours else _chance.randint(PORT_FIRST, PORT_LAST)
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SetUpError(f"no free port between {PORT_FIRST} and {PORT_LAST} on 127.0.0.1")


class ServerProcess:
    """One server as our child, gone when we are; in a session of its own: the terminal's Ctrl-C is for us.

    The kernel watches the *thread* that started it: start servers from one that stays, best the main thread.
    Waiting polls, so any event loop may wait for a server that another loop started.
    """

    def __init__(self, child: subprocess.Popen[bytes], pid_file: Path, log: Path) -> None:
        self._child = child
        self._pid_file = pid_file
        self.log = log

    @classmethod
    def start(
        cls,
        command: list[str],
        *,
        environment: Mapping[str, str],
        log: Path,
        pid_file: Path,
        stop_signal: signal.Signals,
        user: User | None = None,
    ) -> ServerProcess:
        """`stop_signal` is also what the kernel sends when this process dies."""
        wish = json.dumps(
            {
                "death_signal": int(stop_signal),
                "user": None if user is None else [user.uid, user.gid],
                "parent": os.getpid(),
            }
        )
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCH), wish, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd="/",
                start_new_session=True,
            )
        pid_file.write_text(f"{child.pid} {started_at(child.pid)}")
        return cls(child, pid_file, log)

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    async def stop(self, how: signal.Signals, *, patience_seconds: float) -> None:
        """Ask, wait, insist. Ends with the process reaped and its pid file gone."""
        if self.running:
            self._child.send_signal(how)
            await self._gone_within(patience_seconds)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL to the server and its children at once, as a crash of the machine would."""
        family = [self.pid, *descendants(self.pid)] if self.running else []
        for pid in family:
            send(pid, signal.SIGKILL)
        self._child.wait()
        await all_gone(family)
        self._pid_file.unlink(missing_ok=True)

    async def _gone_within(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while self.running and time.monotonic() < give_up:  # noqa: ASYNC110
            await asyncio.sleep(POLL_SECONDS)


async def end_leftover(pid_file: Path, how: signal.Signals) -> None:
    """End the server an earlier process of ours left behind when it was killed, if it is still there.

    Politely first: it has most likely been told already, by the kernel, and is about to close its files.
    """
    try:
        written = pid_file.read_text()  # noqa: ASYNC240
    except FileNotFoundError:
        return
    if (named := re.fullmatch(r"(\d+) (\d+)", written)) and started_at(int(named[1])) == named[2]:
        pid = int(named[1])
        family = [pid, *descendants(pid)]
        send(pid, how)
        with suppress(SetUpError):
            await all_gone(family)
        for member in alive(family):
            send(member, signal.SIGKILL)
        await all_gone(family)
    pid_file.unlink(missing_ok=True)  # noqa: ASYNC240


def started_at(pid: int) -> str:
    """The start time of a process in clock ticks since boot; "" when there is none or it is a zombie."""
    fields = _stat(pid)
    return "" if not fields or fields[0] == "Z" else fields[19]


def descendants(pid: int) -> list[int]:
    """All children of a process and theirs."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        if fields := _stat(int(entry.name)):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        young = children.get(waiting.pop(), [])
        found += young
        waiting += young
    return found


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the third field on: the second, the name, may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def send(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if started_at(pid)]


async def all_gone(pids: list[int]) -> None:
    """Return when none is left; SetUpError when some will not go."""
    give_up = time.monotonic() + END_PATIENCE_SECONDS
    while left := alive(pids):
        if time.monotonic() > give_up:
            raise SetUpError(f"processes {left} do not end")
        await asyncio.sleep(POLL_SECONDS)


def tail(log: Path, lines_max: int = 15) -> str:
    """The end of a log, for the message of an error."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines_max:])
    except OSError as error:
        return f"({log}: {error})"
