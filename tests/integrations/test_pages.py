"""The commands of docs/integrations are run as they stand; a ```text block is what they print, `…` for anything."""

import asyncio
import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integrations.conftest import System

CHECKOUT = Path(__file__).parents[2]
PAGES = CHECKOUT / "docs" / "integrations"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.M | re.S)
STEP_SECONDS_MAX = 180


@pytest.fixture
def folder(system: System, tmp_path: Path) -> Path:
    """Looks like a checkout beside which `make run` is up."""
    for name in (".venv", "examples"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    (tmp_path / ".ringfence").mkdir()
    written = "".join(f"{name}={value}\n" for name, value in system.environment.items())
    (tmp_path / ".ringfence" / "env").write_text(written)
    return tmp_path


class Shell:
    """`bash` in that folder, with nothing of Ringfence's in the environment but what the page sets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("RINGFENCE_")}
        self._environment = {
            **clean,
            "RINGFENCE_HOME": str(folder / ".ringfence"),
            "SWITCH_FOLDER": str(folder / ".ringfence" / "kamailio"),
            "COLUMNS": "200",
        }

    async def start(self, commands: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *("bash", "-c", commands), cwd=self._folder, env=self._environment, stdout=asyncio.subprocess.PIPE
        )

    async def run(self, commands: str) -> str:
        process = await self.start(f"set -a; source .ringfence/env; set +a\n{commands}")
        async with asyncio.timeout(STEP_SECONDS_MAX):
            return (await process.communicate())[0].decode()


def steps(page: str) -> list[tuple[str, str]]:
    """Each block of commands with what it prints."""
    found = BLOCK.findall((PAGES / f"{page}.md").read_text())
    languages = [language for language, _ in found]
    assert languages == ["sh", "text"] * (len(found) // 2), "each block of commands says what it prints"
    return [(found[n][1], found[n + 1][1]) for n in range(0, len(found), 2)]


def assert_prints(printed: str, said: str) -> None:
    pattern = ".*".join(re.escape(part) for part in said.strip().split("…"))
    assert re.search(pattern, printed, re.S), f"printed {printed!r}, and the page says {said!r}"


@pytest.mark.parametrize("page", ["voice-ai", "sms-gateway"])
async def test_what_the_page_says_is_what_is_printed(folder: Path, page: str) -> None:
    for commands, said in steps(page):
        assert_prints(await Shell(folder).run(commands), said)


async def test_a_newcomer_makes_calls_by_following_the_page(folder: Path) -> None:
    shell = Shell(folder)
    (start, takes_calls), *others = steps("sip-proxy")
    switch = await shell.start(start.replace(".venv/bin/python", "exec .venv/bin/python"))
    try:
        assert switch.stdout is not None
        async with asyncio.timeout(STEP_SECONDS_MAX):
            assert_prints((await switch.stdout.readline()).decode(), takes_calls)
        for commands, said in others:
            assert_prints(await shell.run(commands), said)
    finally:
        with suppress(ProcessLookupError):
            switch.terminate()
        await switch.communicate()
