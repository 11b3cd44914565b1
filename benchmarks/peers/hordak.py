"""django-hordak, in a virtual environment of its own: `python -m benchmarks --only peers` installs it there.

It keeps no balance (it sums the legs when asked), so its debit is timed without one: an easier job than ours.
"""

import asyncio
import os
import sys
from pathlib import Path

from benchmarks.peers.places import PEERS
from benchmarks.stage import Stage
from deploy.local.processes import SetUpError

HOME = PEERS / "hordak"
PYTHON = HOME / "bin" / "python"
READY = HOME / "ready"
PACKAGES = ("django-hordak==2.0.0", "psycopg[binary]==3.3.9")
_CLIENT = (str(PYTHON), "-P", str(Path(__file__).with_name("hordak_client.py")))
"""`-P`: this folder, with its module of the same name, is none of its."""


def is_there() -> bool:
    return READY.exists()


async def install() -> None:
    """Into its own environment, with pip as it is set up here; SetUpError when that fails."""
    PEERS.mkdir(parents=True, exist_ok=True)
    await _run(sys.executable, "-m", "venv", "--clear", str(HOME))
    await _run(str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", *PACKAGES)
    READY.touch()


class Hordak:
    """Its books in a database of their own."""

    def __init__(self, url: str) -> None:
        self._url = url

    @classmethod
    async def prepare(cls, stage: Stage, accounts: int) -> "Hordak":
        url = await stage.database("bench_hordak")
        await _run(*_CLIENT, "prepare", str(accounts), url=url)
        return cls(url)

    async def debits(self, customers: int, seconds: int) -> float:
        """Debits per second, one a transaction, by eight processes."""
        return float(await _run(*_CLIENT, "debit", str(customers), str(seconds), url=self._url))


async def _run(*command: str, url: str = "") -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "BENCH_POSTGRES_URL": url},
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise SetUpError(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')[-2000:]}")
    return output.decode()
