"""The `ringfence` command as an operator runs it: a process of its own, an environment of its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE
from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY

SECONDS_MAX = 60


@dataclass(frozen=True)
class Ended:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Awaitable[Ended]]


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """This process's, without anything of Ringfence's but what is named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RINGFENCE_", "STRIPE_"))}
    return {**kept, "RINGFENCE_HOME": str(home), **variables}


class Commands:
    """Runs commands, one after the other, through `tests.commands.forking`."""

    def __init__(self, forking: asyncio.subprocess.Process, folder: Path) -> None:
        self._forking = forking
        self._folder = folder
        self._turn = asyncio.Lock()

    async def run(self, *words: str | Path, environment: dict[str, str], stdin: bytes = b"") -> Ended:
        async with self._turn, asyncio.timeout(SECONDS_MAX):
            files = {name: self._folder / name for name in ("stdin", "out", "err")}
            for name, path in files.items():
                path.write_bytes(stdin if name == "stdin" else b"")
            request = {"words": [*map(str, words)], "environment": environment}
            assert self._forking.stdin is not None
            assert self._forking.stdout is not None
            line = json.dumps(request | {name: str(path) for name, path in files.items()})
            self._forking.stdin.write(line.encode() + b"\n")
            code = int(await self._forking.stdout.readline())
            ended = Ended(code, files["out"].read_text(), files["err"].read_text())
        assert "Traceback" not in ended.err, ended.err
        return ended


@pytest.fixture(scope="session")
async def commands(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Commands]:
    forking = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.commands.forking", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    yield Commands(forking, tmp_path_factory.mktemp("commands"))
    assert forking.stdin is not None
    forking.stdin.close()
    await forking.wait()


@pytest.fixture
def offline(commands: Commands, tmp_path: Path) -> Command:
    """`await offline("rate", file)`: where nothing is up and nothing is set."""

    async def run(*words: str | Path, stdin: bytes = b"", **variables: str) -> Ended:
        environment = clean_environment(tmp_path / "home", **variables)
        return await commands.run(*words, environment=environment, stdin=stdin)

    return run


@pytest.fixture
async def command(commands: Commands, ringfence: Hosted, tmp_path: Path) -> Command:
    """`await command("account", "list")` against the whole running system."""
    settings = ringfence.host.settings
    environment = clean_environment(
        tmp_path / "home",
        RINGFENCE_HTTP_URL=ringfence.url,
        RINGFENCE_PLATFORM_KEY=PLATFORM_KEY,
        RINGFENCE_POSTGRES_URL=settings.postgres_url,
        RINGFENCE_AMQP_URL=settings.amqp_url,
    )

    async def run(*words: str | Path, stdin: bytes = b"", **variables: str) -> Ended:
        return await commands.run(*words, environment={**environment, **variables}, stdin=stdin)

    return run


Publish = Callable[..., Awaitable[None]]


@pytest.fixture
async def publish(amqp_url: str) -> AsyncIterator[Publish]:
    """`await publish(event, …)`: each as a message of its own on ringfence.usage; bytes go as they are."""
    broker = Rabbit(amqp_url, name="platform")
    await broker.open()

    async def send(*events: dict[str, Any] | bytes) -> None:
        for event in events:
            body = event if isinstance(event, bytes) else json.dumps(event).encode()
            await broker.publish(Message(USAGE, "usage", body))

    yield send
    await broker.close()
