"""README and tutorial are run as they stand, by a shell, against a running system, and print what they say they print.

A ```text block after a ```sh block is what it prints, `…` standing for anything. `make` is not called: `make run` is
what has been done already, the others have tests of their own.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.local.servers import Servers
from tests.docs.pages import CHECKOUT, Block, blocks

START_SECONDS_MAX = 90
PAGE_SECONDS_MAX = 120
MARK = "@@ok"
STEP = re.compile(rf"^{MARK} (\d+)$", re.M)


@dataclass(frozen=True)
class System:
    """`make run`, as a process of its own in a folder that looks like a checkout."""

    folder: Path
    environment: dict[str, str]
    log: Path
    postgres_url: str


@pytest.fixture
async def system(servers: Servers, database_url: str, amqp_url: str, tmp_path: Path) -> AsyncIterator[System]:
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("RINGFENCE_", "STRIPE_", "OTEL_"))
    }
    environment = {**kept, "RINGFENCE_HOME": str(folder / ".ringfence"), "COLUMNS": "200"}
    given = {**servers.environment(), "RINGFENCE_POSTGRES_URL": database_url, "RINGFENCE_AMQP_URL": amqp_url}
    told = {"RINGFENCE_LOG_LEVEL": "debug", "RINGFENCE_LOG_FORMAT": "json", "RINGFENCE_HTTP_PORT": "0"}
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services",
            "run",
            cwd=CHECKOUT,
            env=environment | given | told,
            stdout=-1,
            stderr=written,
        )
        try:
            await _until_up(process, log)
            yield System(folder, environment, log, database_url)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            await process.communicate()


async def _until_up(process: asyncio.subprocess.Process, log: Path) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(START_SECONDS_MAX):
        while not (line := await process.stdout.readline()).startswith(b"Ctrl-C stops everything"):
            assert line, log.read_text()  # noqa: ASYNC240 -- nothing else goes on here


def script(steps: list[Block]) -> str:
    """All blocks in one shell, so that what one sets the next knows; each says that it came to its end."""
    lines = ["set -euo pipefail"]
    for number, step in enumerate(steps):
        lines += [re.sub(r"^make [a-z]+\b", "true", step.text, flags=re.M), f"echo; echo '{MARK} {number}'"]
    return "\n".join(lines)


async def run(system: System, page: Path) -> list[tuple[Block, str]]:
    """Each block of the page with what it printed."""
    steps = [*blocks(page, "sh")]
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script(steps), cwd=system.folder, env=system.environment, stdout=-1, stderr=-2, stdin=-3
    )
    async with asyncio.timeout(PAGE_SECONDS_MAX):
        printed = (await process.communicate())[0].decode()
    outputs = STEP.split(printed)[::2]
    assert process.returncode == 0, f"{steps[min(len(outputs), len(steps)) - 1]}: {printed}"
    return [*zip(steps, outputs, strict=False)]


def assert_prints_what_it_says(page: Path, done: list[tuple[Block, str]]) -> None:
    printed = {step.line: output for step, output in done}
    last, checked = 0, 0
    for block in blocks(page):
        if block.language == "sh":
            last = block.line
        elif block.language == "text" and last:
            pattern = ".*".join(re.escape(part) for part in block.text.strip().split("…"))
            assert re.search(pattern, printed[last], re.S), f"{block}: printed was {printed[last]}"
            checked += 1
    assert checked, "a page that promises nothing proves nothing"


async def test_readme_and_tutorial_do_what_they_say_and_the_log_holds_no_secret(system: System) -> None:
    """From zero to a gated, billed call, a top-up by card, keys made, sign-in links, one of which fails on our side."""
    readme, tutorial = CHECKOUT / "README.md", CHECKOUT / "docs" / "tutorial.md"
    assert_prints_what_it_says(readme, await run(system, readme))
    done = await run(system, tutorial)
    assert_prints_what_it_says(tutorial, done)
    await run(system, CHECKOUT / "docs" / "migrating" / "README.md")
    printed = "".join(output for _, output in done)
    await follow_a_link_that_fails(system, re.findall(r'"url":"([^"]+)"', printed)[-1])

    written = (system.folder / ".ringfence" / "env").read_text()
    secrets = {
        *re.findall(r"\brf_[\w-]{8,}", printed + written),
        *re.findall(r"/signin/([\w-]+)", printed),
        *re.findall(r"\bpi_\w+_secret_\w+", printed),
        *re.findall(r"\bwhsec_\w+", written),
        *re.findall(r"://[^:@/\s]+:([^@\s]+)@", written),
    }
    assert len(secrets) >= 5
    log = system.log.read_text()
    assert [secret for secret in secrets if secret in log] == []
    assert "4242424242424242" not in log
    assert "Bearer rf" not in log


async def follow_a_link_that_fails(system: System, url: str) -> None:
    """The failure is logged with the path of the request, and the path is the secret."""
    operator = await asyncpg.connect(system.postgres_url)
    await operator.execute("ALTER TABLE portal.sessions RENAME TO somewhere_else")
    async with httpx.AsyncClient(timeout=10) as client:
        assert (await client.get(url)).status_code == 500
    await operator.close()
    async with asyncio.timeout(20):
        while '"request_failed"' not in system.log.read_text():  # noqa: ASYNC110 -- another process writes it
            await asyncio.sleep(0.1)
