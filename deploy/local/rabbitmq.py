"""A private RabbitMQ on free ports of 127.0.0.1: node name, data, logs, cookie and name server of its own.

Taken from what is there, in this order: an installed rabbitmq-server, Debian's packages unpacked under
`.ringfence/`, Docker.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import time
from pathlib import Path

from deploy.local import docker
from deploy.local.processes import (
    POLL_SECONDS,
    Report,
    ServerProcess,
    SetUpError,
    end_leftover,
    free_port,
    tail,
)
from deploy.local.rabbitmq_programs import Programs, find_programs
from deploy.rabbitmq.definitions import USERS, VHOST, with_passwords

START_PATIENCE_SECONDS = 90.0
STOP_PATIENCE_SECONDS = 20.0


class PrivateBroker:
    """One node in `folder`/rabbitmq. `urls` are valid after the first `start`, over kill and start too."""

    def __init__(self, folder: Path, cache: Path, report: Report) -> None:
        self._folder = folder
        self._cache = cache
        self._report = report
        self._home = folder / "rabbitmq"
        self._configuration = self._home / "configuration"
        self._container = docker.name_for(folder)
        self._pid_file = folder / "rabbitmq.pid"
        self._epmd_pid_file = folder / "epmd.pid"
        self._log = folder / "rabbitmq.log"
        self._programs: Programs | None = None
        self._in_docker = False
        self._epmd: ServerProcess | None = None
        self._node: ServerProcess | None = None
        self.port = 0
        self._node_port = 0
        self._epmd_port = 0

    @property
    def home(self) -> Path:
        """Its data, configuration and secrets."""
        return self._home

    @property
    def urls(self) -> dict[str, str]:
        """One address per user of definitions.json."""
        passwords = json.loads((self._home / "passwords.json").read_text())
        return {user: f"amqp://{user}:{passwords[user]}@127.0.0.1:{self.port}/{VHOST}" for user in USERS}

    async def prepare(self, *, keep_data: bool) -> None:
        """End what an earlier run left, find RabbitMQ, write its configuration; else SetUpError."""
        for pid_file in (self._pid_file, self._epmd_pid_file):
            await end_leftover(pid_file, signal.SIGTERM)
        if not keep_data:
            shutil.rmtree(self._home, ignore_errors=True)
        self._programs = await find_programs(self._cache, self._report)
        self._in_docker = self._programs is None
        if self._in_docker:
            await docker.remove(self._container, data=not keep_data)
        self.port = free_port()
        self._epmd_port = free_port(frozenset({self.port}))
        self._node_port = free_port(frozenset({self.port, self._epmd_port}))
        self._configure()

    async def start(self) -> None:
        """Start on the same ports and data as before; returns when it speaks AMQP, else SetUpError."""
        if self._node is not None:
            return
        if self._programs is None:
            command = docker.run_command(self._container, port=self.port, configuration=self._configuration)
            self._node = self._spawn(command, self._pid_file, dict(os.environ))
        else:
            environment = self._environment(self._programs)
            self._epmd = self._spawn(
                [self._programs.epmd(), "-address", "127.0.0.1", "-port", str(self._epmd_port)],
                self._epmd_pid_file,
                environment,
            )
            self._node = self._spawn([str(self._programs.sbin / "rabbitmq-server")], self._pid_file, environment)
        await self._ready(self._node)

    async def stop(self) -> None:
        if self._node is not None:
            await self._node.stop(signal.SIGTERM, patience_seconds=STOP_PATIENCE_SECONDS)
        await self._stop_epmd()

    async def kill(self) -> None:
        if self._in_docker:
            await docker.kill(self._container)
        if self._node is not None:
            await self._node.kill()
        await self._stop_epmd()

    async def control(self, *words: str) -> None:
        """Run `rabbitmqctl`, for tests: an alarm, a list of queues; raises SetUpError when it fails."""
        if self._programs is None:
            raise SetUpError("no rabbitmqctl for a broker in Docker")
        asked = await asyncio.create_subprocess_exec(
            str(self._programs.sbin / "rabbitmqctl"), *words, env=self._environment(self._programs)
        )
        if await asked.wait() != 0:
            raise SetUpError(f"rabbitmqctl {words[0]} failed")

    async def remove_data(self) -> None:
        shutil.rmtree(self._home, ignore_errors=True)
        if self._in_docker:
            await docker.remove(self._container, data=True)

    async def _stop_epmd(self) -> None:
        self._node = None
        if self._epmd is not None:
            await self._epmd.kill()
            self._epmd = None

    def _configure(self) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        passwords = self._home / "passwords.json"
        if not passwords.exists():
            write_private(passwords, json.dumps({user: secrets.token_hex(24) for user in USERS}))
        cookie = self._home / ".erlang.cookie"
        if not cookie.exists():
            write_private(cookie, secrets.token_hex(20))
            cookie.chmod(0o400)
        (self._home / "enabled_plugins").write_text("[].\n")
        (self._home / "rabbitmq-env.conf").touch()  # so that the machine's own is not read
        self._configuration.mkdir(exist_ok=True)
        filled_in = with_passwords(json.loads(passwords.read_text()))
        (self._configuration / "definitions.json").write_text(filled_in)
        seen_as = docker.CONFIGURATION if self._in_docker else self._configuration
        (self._configuration / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = {'0.0.0.0' if self._in_docker else '127.0.0.1'}:{self.port}\n"
            f"load_definitions = {seen_as}/definitions.json\n"
        )

    def _environment(self, programs: Programs) -> dict[str, str]:
        home = self._home
        ours = {
            "HOME": str(home),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": "ringfence@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._configuration / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RUNNING_UNDER_SYSTEMD": "true",  # the script then becomes the node instead of watching over it
            "LC_ALL": "C.UTF-8",
        }
        return _environment_without("RABBITMQ_", "ERL_", "NOTIFY_SOCKET") | programs.paths() | ours

    def _spawn(self, command: list[str], pid_file: Path, environment: dict[str, str]) -> ServerProcess:
        return ServerProcess.start(
            command,
            environment=environment,
            log=self._log,
            pid_file=pid_file,
            stop_signal=signal.SIGTERM,
        )

    async def _ready(self, node: ServerProcess) -> None:
        give_up = time.monotonic() + START_PATIENCE_SECONDS
        while not await _speaks_amqp(self.port):
            if not node.running or time.monotonic() > give_up:
                await self.kill()
                raise SetUpError(f"RabbitMQ did not start ({self._log}):\n{tail(self._log)}")
            await asyncio.sleep(POLL_SECONDS)


async def _speaks_amqp(port: int) -> bool:
    """Send the protocol header; a broker that is up answers with Connection.Start (class 10, method 10)."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"AMQP\x00\x00\x09\x01")
        frame = await asyncio.wait_for(reader.readexactly(11), timeout=5)
    except (OSError, EOFError, TimeoutError):
        return False
    else:
        return frame[0] == 1 and frame[7:11] == b"\x00\x0a\x00\x0a"
    finally:
        writer.close()


def _environment_without(*prefixes: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}


def write_private(path: Path, text: str) -> None:
    """Readable by its owner alone, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
