"""`ringfence run`: the whole system from nothing, told to stop, started again."""

import asyncio
import json
import shlex
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.processes import alive
from tests.commands.conftest import clean_environment
from tests.commands.waiting import until
from tests.deploy.processes import processes_of

START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 40
LAST_LINE = b"Ctrl-C stops everything"


@asynccontextmanager
async def running(environment: dict[str, str], *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`ringfence run …`, ended by SIGINT like Ctrl-C if it is still there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services",
        "run",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await stopped(process, signal.SIGINT)


async def banner(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    lines = []
    async with asyncio.timeout(START_SECONDS_MAX):
        while not (lines and lines[-1].startswith(LAST_LINE)):
            line = await process.stdout.readline()
            if not line:
                assert process.stderr is not None
                raise AssertionError((await process.stderr.read()).decode())
            lines.append(line)
    return b"".join(lines).decode()


async def stopped(process: asyncio.subprocess.Process, how: signal.Signals) -> str:
    """Its standard error, after it has ended."""
    process.send_signal(how)
    async with asyncio.timeout(STOP_SECONDS_MAX):
        _, err = await process.communicate()
    return err.decode()


def written_environment(home: Path) -> dict[str, str]:
    lines = (home / "env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


async def ask_as_printed(line: str) -> Any:
    """What curl would do with this line."""
    words = shlex.split(line)
    assert words[:2] == ["curl", "-s"]
    assert words[3] == "-H"
    name, _, value = words[4].partition(": ")
    body = words[words.index("-d") + 1] if "-d" in words else None
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        answer = await client.request("GET" if body is None else "POST", words[2], headers={name: value}, content=body)
    assert answer.is_success, answer.text
    return answer.json()


async def test_run_starts_from_nothing_stops_cleanly_and_keeps_its_data(tmp_path: Path) -> None:
    """Contract §1: "the system stays up until Ctrl-C and keeps its data; prints URLs, a demo account's key and the
    next three commands to try"; "private ones are started on free ports under `.ringfence/` … and stopped again"."""
    home = tmp_path / "home"
    environment = clean_environment(home, RINGFENCE_HTTP_PORT="0")
    async with running(environment) as process:
        told = await banner(process)
        assert stat.S_IMODE((home / "env").stat().st_mode) == 0o600
        first = written_environment(home)
        assert {
            "RINGFENCE_HTTP_URL",
            "RINGFENCE_POSTGRES_URL",
            "RINGFENCE_AMQP_URL",
            "RINGFENCE_AMQP_PLATFORM_URL",
            "RINGFENCE_AMQP_DASHBOARD_URL",
            "RINGFENCE_AMQP_OPS_URL",
            "RINGFENCE_PLATFORM_KEY",
        } <= first.keys()
        assert told.count("private, started here") == 2
        assert "SIMULATED" in told or "payments is not part" in told
        assert first["RINGFENCE_POSTGRES_URL"] not in told  # it holds the password

        check, usage, statement = (line for line in told.splitlines() if line.strip().startswith("curl"))
        assert (await ask_as_printed(check))["decision"] == "allow"
        assert (await ask_as_printed(usage))["accepted"] == 1

        async def is_billed() -> bool:
            return [entry["reason"] for entry in await ask_as_printed(statement)] == ["call", "signup_credit"]

        await until(is_billed)
        servers = processes_of(home / "run")
        assert servers

        async with running(environment) as second:
            _, err = await second.communicate()
            assert second.returncode == 1
            assert b"in use by another process" in err

        assert "Stopping" in await stopped(process, signal.SIGINT)
        assert process.returncode == 0
    assert alive(servers) == []
    assert not (home / "env").exists()

    async with running(environment) as process:
        again = await banner(process)
        assert written_environment(home)["RINGFENCE_PLATFORM_KEY"] == first["RINGFENCE_PLATFORM_KEY"]
        *_, statement = (line for line in again.splitlines() if line.strip().startswith("curl"))
        assert [entry["reason"] for entry in await ask_as_printed(statement)] == ["call", "signup_credit"]
        servers = processes_of(home / "run")
        await stopped(process, signal.SIGTERM)
        assert process.returncode == 0
    assert alive(servers) == []


@pytest.mark.long
async def test_told_to_stop_while_it_starts_it_leaves_nothing_running(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with running(clean_environment(home)) as process:
        await until(lambda: _has(home / "run" / "rabbitmq.pid"), START_SECONDS_MAX)
        servers = processes_of(home / "run")
        await stopped(process, signal.SIGINT)
        assert process.returncode == 0
    assert alive(servers) == []


async def _has(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240


async def test_given_servers_are_used_and_none_is_started(database_url: str, amqp_url: str, tmp_path: Path) -> None:
    """Contract §1: "With `RINGFENCE_POSTGRES_URL` / `RINGFENCE_AMQP_URL` set, those servers are used"."""
    home = tmp_path / "home"
    given = {"RINGFENCE_POSTGRES_URL": database_url, "RINGFENCE_AMQP_URL": amqp_url}
    environment = clean_environment(home, RINGFENCE_HTTP_PORT="0", RINGFENCE_PLATFORM_KEY="of-the-environment", **given)
    async with running(environment) as process:
        told = await banner(process)
        assert told.count("yours, from the environment") == 2
        variables = written_environment(home)
        assert variables.items() >= given.items()
        assert variables["RINGFENCE_PLATFORM_KEY"] == "of-the-environment"
        assert list((home / "run").glob("*.pid")) == []


async def test_one_service_alone_makes_no_keys_and_writes_no_environment(
    database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    given = {"RINGFENCE_POSTGRES_URL": database_url, "RINGFENCE_AMQP_URL": amqp_url}
    environment = clean_environment(home, RINGFENCE_HTTP_PORT="0", **given)
    async with running(environment, "--services", "scheduler,ledger") as process:
        assert process.stderr is not None
        started: dict[str, Any] = {}
        async with asyncio.timeout(START_SECONDS_MAX):
            while started.get("event") != "started":
                started = json.loads(await process.stderr.readline())
        assert started["services"] == ["scheduler", "ledger"]
        async with httpx.AsyncClient(base_url=started["url"], trust_env=False) as client:
            assert (await client.get("/readyz")).json()["services"] == {"scheduler": True, "ledger": True}
        assert not (home / "env").exists()
        assert not (home / "run" / "platform.key").exists()


@pytest.mark.parametrize(
    ("variables", "words", "code", "message"),
    [
        ({}, ("--services", "ledger,nothing"), 2, "there is no service nothing"),
        ({}, ("--services", ","), 2, "--services names none"),
        (
            {"RINGFENCE_TEST_CLOCK": "1", "RINGFENCE_ENVIRONMENT": "production"},
            ("--services", "ledger"),
            1,
            "RINGFENCE_TEST_CLOCK",
        ),
        ({"RINGFENCE_HTTP_PORT": "many"}, ("--services", "ledger"), 1, "RINGFENCE_HTTP_PORT"),
        ({"RINGFENCE_AMQP_URL": "amqp://guest@127.0.0.1:9/"}, ("--services", "ledger"), 2, "RabbitMQ"),
        ({"RINGFENCE_POSTGRES_URL": "postgresql://x@127.0.0.1:9/x"}, (), 2, "PostgreSQL"),
    ],
)
async def test_what_keeps_it_from_starting_is_told_in_a_line(
    variables: dict[str, str],
    words: tuple[str, ...],
    code: int,
    message: str,
    database_url: str,
    amqp_url: str,
    tmp_path: Path,
) -> None:
    given = {"RINGFENCE_POSTGRES_URL": database_url, "RINGFENCE_AMQP_URL": amqp_url}
    environment = clean_environment(tmp_path / "home", **{**given, **variables})
    async with running(environment, *words) as process:
        _, err = await process.communicate()
    assert process.returncode == code
    last = err.decode().splitlines()[-1]
    assert last.startswith("ringfence: ")
    assert message in last
    assert b"Traceback" not in err
