"""RabbitMQ in Docker, the third way to have one. The client stays our child: it passes our signals on."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path

IMAGE = "rabbitmq:4"
CONFIGURATION = Path("/ringfence")
"""Where the container sees the broker's configuration."""


def name_for(folder: Path) -> str:
    """The name of a folder's container and of the volume with its data."""
    return f"ringfence-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"


def run_command(name: str, *, port: int, configuration: Path) -> list[str]:
    """A broker that listens on `port` of 127.0.0.1 and is removed when it ends; its data stays in the volume."""
    return [
        *["docker", "run", "--rm", "--name", name, "--hostname", "ringfence"],
        *["--publish", f"127.0.0.1:{port}:{port}"],
        *["--volume", f"{configuration}:{CONFIGURATION}:ro", "--volume", f"{name}:/var/lib/rabbitmq"],
        *["--env", f"RABBITMQ_CONFIG_FILE={CONFIGURATION}/rabbitmq.conf", IMAGE],
    ]


async def answers() -> bool:
    return shutil.which("docker") is not None and await _docker("info") == 0


async def kill(name: str) -> None:
    """SIGKILL to the broker; without it the container would outlive its client."""
    await _docker("kill", name)


async def remove(name: str, *, data: bool) -> None:
    await _docker("rm", "--force", name)
    if data:
        await _docker("volume", "rm", "--force", name)


async def _docker(*words: str) -> int:
    asked = await asyncio.create_subprocess_exec(
        "docker", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await asked.wait()
