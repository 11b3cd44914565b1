"""Three ways to a broker, and a clear word when there is none. Design §6."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import debian
from deploy.local.processes import SetUpError
from deploy.local.rabbitmq_programs import find_programs


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No program is on the path but those put into the folder that is returned."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def install(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def test_without_any_the_error_names_the_three_ways(bare_machine: Path, tmp_path: Path) -> None:
    """Design §6: "else an error that names the three ways"."""
    with pytest.raises(SetUpError) as refused:
        await find_programs(tmp_path, print)
    for way in ("apt-get install rabbitmq-server", "apt-get update", "start Docker", "RINGFENCE_AMQP_URL"):
        assert way in str(refused.value)


async def test_docker_is_taken_when_it_answers_and_nothing_else_is_there(bare_machine: Path, tmp_path: Path) -> None:
    install(bare_machine, "docker", "exit 0")
    assert await find_programs(tmp_path, print) is None


async def test_a_docker_that_does_not_answer_is_none(bare_machine: Path, tmp_path: Path) -> None:
    install(bare_machine, "docker", "exit 1")
    with pytest.raises(SetUpError, match="start Docker"):
        await find_programs(tmp_path, print)


async def test_an_installed_broker_goes_first(bare_machine: Path, tmp_path: Path) -> None:
    if Path("/usr/lib/rabbitmq").is_dir():  # noqa: ASYNC240
        pytest.skip("Debian's own is installed and is what is found")
    for name in ("rabbitmq-server", "docker", "apt-get", "apt-cache", "dpkg"):
        install(bare_machine, name, "exit 1")
    found = await find_programs(tmp_path, print)
    assert found is not None
    assert found.sbin == bare_machine


async def test_what_was_unpacked_once_is_used_without_asking_apt(bare_machine: Path, tmp_path: Path) -> None:
    for name in ("apt-get", "apt-cache", "dpkg"):
        install(bare_machine, name, "exit 1")
    sbin = tmp_path / "rabbitmq-3.10.8" / "usr" / "lib" / "rabbitmq" / "lib" / "rabbitmq_server-3.10.8" / "sbin"
    sbin.mkdir(parents=True)
    found = await find_programs(tmp_path, print)
    assert found is not None
    assert found.sbin == sbin


async def test_a_failed_download_says_why_and_leaves_no_half_broker(bare_machine: Path, tmp_path: Path) -> None:
    for name in ("apt-get", "dpkg"):
        install(bare_machine, name, "echo no network; exit 100")
    install(bare_machine, "apt-cache", "echo '  Candidate: 3.10.8'")
    with pytest.raises(SetUpError, match="no network"):
        await find_programs(tmp_path, print)
    assert not list(tmp_path.glob("rabbitmq-*"))  # noqa: ASYNC240


def test_apt_is_not_asked_where_there_is_none(bare_machine: Path) -> None:
    assert not debian.possible()
