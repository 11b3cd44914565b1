"""Load over HTTP by wrk, unpacked from Debian's packages."""

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Spread
from benchmarks.stage import FOLDER, PLATFORM_KEY
from benchmarks.system import ACCOUNTS
from deploy.local.debian import unpacked_packages
from deploy.local.processes import Report, SetUpError

PACKAGES = ("wrk", "libluajit-5.1-2", "libssl3")
SCRIPT = Path(__file__).with_name("check.lua")


@dataclass(frozen=True, slots=True)
class Answered:
    """What wrk saw: answers that are 2xx, those a second, and how long all answers took."""

    per_second: float
    answered: int
    spread: Spread


class Wrk:
    """wrk, wherever it was found."""

    def __init__(self, program: str, libraries: str) -> None:
        self._program = program
        self._environment = {**os.environ, "LD_LIBRARY_PATH": libraries, "RINGFENCE_PLATFORM_KEY": PLATFORM_KEY}

    @classmethod
    async def find(cls, report: Report) -> "Wrk":
        """The installed one, else Debian's."""
        if found := shutil.which("wrk"):
            return cls(found, os.environ.get("LD_LIBRARY_PATH", ""))
        tools = FOLDER.with_name("tools")
        tools.mkdir(parents=True, exist_ok=True)
        root = await unpacked_packages(tools, "wrk", PACKAGES, report)
        libraries = ":".join(str(path) for path in sorted((root / "usr" / "lib").iterdir()) if path.is_dir())
        return cls(str(root / "usr" / "bin" / "wrk"), libraries)

    async def check_calls(self, url: str, *, connections: int, seconds: int, accounts: int = ACCOUNTS) -> Answered:
        """POST /v1/checks/call, a new call each of one of so many accounts, over so many kept connections."""
        process = await asyncio.create_subprocess_exec(
            *(self._program, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url),
            env=self._environment | {"RINGFENCE_BENCH_ACCOUNTS": str(accounts)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode(errors="replace")
        if process.returncode != 0:
            raise SetUpError(f"wrk failed:\n{output[-2000:]}")
        unwanted = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        requests = int(_found(r"(\d+) requests in", output)[1])
        answered = requests - (0 if unwanted is None else int(unwanted[1]))
        took = _found(r"microseconds (\d+) (\d+) (\d+)", output)
        return Answered(
            per_second=float(_found(r"Requests/sec:\s+([0-9.]+)", output)[1]) * answered / max(1, requests),
            answered=answered,
            spread=Spread(*(int(micros) / 1000 for micros in took.groups())),
        )


def _found(pattern: str, text: str) -> re.Match[str]:
    found = re.search(pattern, text)
    if found is None:
        raise SetUpError(f"wrk said something unexpected:\n{text[-2000:]}")
    return found
