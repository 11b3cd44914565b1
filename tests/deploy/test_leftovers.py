"""Servers that an earlier, killed run left behind are found and ended, and nobody else's process ever is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.processes import end_leftover, free_port, started_at


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


async def test_a_server_left_by_a_killed_run_is_ended(tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(f"{stranger.pid} {started_at(stranger.pid)}")
    await end_leftover(pid_file, signal.SIGTERM)
    assert stranger.wait(timeout=5) < 0
    assert not pid_file.exists()


async def test_a_pid_used_again_by_somebody_else_is_left_alone(
    tmp_path: Path, stranger: subprocess.Popen[bytes]
) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(f"{stranger.pid} {int(started_at(stranger.pid)) - 1}")
    await end_leftover(pid_file, signal.SIGTERM)
    assert stranger.poll() is None
    assert not pid_file.exists()


@pytest.mark.parametrize("content", ["", "12", "no pid", "999999999 5"])
async def test_a_broken_pid_file_harms_nobody(tmp_path: Path, content: str) -> None:
    pid_file = tmp_path / "server.pid"
    pid_file.write_text(content)
    await end_leftover(pid_file, signal.SIGTERM)
    await end_leftover(tmp_path / "none.pid", signal.SIGTERM)


def test_a_dead_process_has_no_start_time() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert started_at(process.pid) == ""
    assert started_at(os.getpid()) != ""


def test_a_port_in_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, busy, free = free_port(), free_port(), free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", busy))
        offered = iter([taken, busy, free])
        monkeypatch.setattr(processes._chance, "randint", lambda _first, _last: next(offered))
        assert free_port(frozenset({taken})) == free


def test_ports_lie_below_those_lent_to_clients() -> None:
    """Else a client knocking at a stopped server's port may be lent that port and keep the server out."""
    lent_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < lent_from for _ in range(20))
