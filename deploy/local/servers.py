"""The two servers everything runs on: given ones, or private ones that live as long as the `async with`.

`python -m deploy.local.servers --folder .ringfence/dev` starts them, prints their addresses as environment
lines and stays until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from deploy.local.postgres import PrivatePostgres
from deploy.local.processes import Report, SetUpError
from deploy.local.rabbitmq import PrivateBroker

CHECKOUT = Path(__file__).parents[2]
FOLDERS_MAX = 20

Server = TypeVar("Server", PrivatePostgres, PrivateBroker)

AMQP_VARIABLES = {
    "operator": "RINGFENCE_AMQP_URL",
    "platform": "RINGFENCE_AMQP_PLATFORM_URL",
    "dashboard": "RINGFENCE_AMQP_DASHBOARD_URL",
    "ops": "RINGFENCE_AMQP_OPS_URL",
}


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers are. `amqp_urls` always has "operator"; of a given broker the others only if given.

    `kill_…` and `start_…` are for tests of faults: SIGKILL, and a start on the same port and data. Queues
    declared less than 3 s before `kill_broker` can be lost (RabbitMQ registers quorum queues late). They raise
    SetUpError for a given server, which is never touched.
    """

    folder: Path
    postgres_url: str
    amqp_urls: dict[str, str]
    _postgres: PrivatePostgres | None
    _broker: PrivateBroker | None

    def environment(self) -> dict[str, str]:
        """The same as the variables Ringfence reads and `make run` writes to .ringfence/env (contract §0)."""
        amqp = {AMQP_VARIABLES[user]: url for user, url in self.amqp_urls.items()}
        return {"RINGFENCE_POSTGRES_URL": self.postgres_url} | amqp

    async def kill_postgres(self) -> None:
        await _private(self._postgres).kill()

    async def start_postgres(self) -> None:
        await _private(self._postgres).start()

    async def kill_broker(self) -> None:
        await _private(self._broker).kill()

    async def start_broker(self) -> None:
        await _private(self._broker).start()


def _private(server: Server | None) -> Server:
    if server is None:
        raise SetUpError("this server was given to us; we neither stop nor start it")
    return server


@asynccontextmanager
async def private_servers(
    folder: Path, *, keep_data: bool, report: Report, if_busy: Literal["refuse", "next"] = "refuse"
) -> AsyncIterator[Servers]:
    """Both servers, started side by side; stopped on the way out, with their data removed unless it is kept.

    Where RINGFENCE_POSTGRES_URL or RINGFENCE_AMQP_URL is set, that server is used and none is started.
    `folder` is one command's own (`.ringfence/run`); while another process has it: SetUpError, or with
    `if_busy="next"` the first free of `folder`-2, `folder`-3, …. Logs stay in the folder.
    """
    given = {name: value for name, value in os.environ.items() if name.startswith("RINGFENCE_") and value}
    with _own_folder(folder, if_busy) as own:
        cache = _cache_folder(own)
        postgres = None if "RINGFENCE_POSTGRES_URL" in given else PrivatePostgres(own, cache, report)
        broker = None if "RINGFENCE_AMQP_URL" in given else PrivateBroker(own, cache, report)
        ours: list[PrivatePostgres | PrivateBroker] = [server for server in (postgres, broker) if server is not None]
        try:
            await _side_by_side([_begin(server, keep_data) for server in ours])
            yield Servers(
                folder=own,
                postgres_url=given["RINGFENCE_POSTGRES_URL"] if postgres is None else postgres.url,
                amqp_urls=_given_amqp(given) if broker is None else broker.urls,
                _postgres=postgres,
                _broker=broker,
            )
        finally:
            await _side_by_side([_end(server, keep_data) for server in ours])


async def _begin(server: PrivatePostgres | PrivateBroker, keep_data: bool) -> None:
    await server.prepare(keep_data=keep_data)
    await server.start()


async def _end(server: PrivatePostgres | PrivateBroker, keep_data: bool) -> None:
    await server.stop()
    if not keep_data:
        await server.remove_data()


async def _side_by_side(work: Iterable[Coroutine[None, None, None]]) -> None:
    """All of them to their end, then the first error: one that fails must not leave another half started."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _given_amqp(given: Mapping[str, str]) -> dict[str, str]:
    return {user: given[name] for user, name in AMQP_VARIABLES.items() if name in given}


def _cache_folder(folder: Path) -> Path:
    """Where unpacked programs stay for all folders of a checkout; elsewhere each folder has its own."""
    if folder.parent.name == ".ringfence":
        return folder.parent
    if (CHECKOUT / "pyproject.toml").exists():
        cache = CHECKOUT / ".ringfence"
        cache.mkdir(exist_ok=True)
        return cache
    return folder


@contextmanager
def _own_folder(folder: Path, if_busy: Literal["refuse", "next"]) -> Iterator[Path]:
    """Hold the folder's lock; the kernel drops it with us, so a killed process never blocks the next."""
    folder = folder.resolve()
    others = FOLDERS_MAX if if_busy == "next" else 1
    for candidate in [folder, *(folder.with_name(f"{folder.name}-{n}") for n in range(2, others + 1))]:
        candidate.mkdir(parents=True, exist_ok=True)
        with (candidate / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield candidate
            return
    raise SetUpError(f"{folder} is in use by another process of Ringfence; stop that one first")


async def _stay(folder: Path, keep_data: bool) -> None:
    this = asyncio.current_task()
    assert this is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, this.cancel)
    async with private_servers(folder, keep_data=keep_data, report=_to_stderr) as servers:
        for name, value in servers.environment().items():
            print(f"{name}={value}", flush=True)
        await asyncio.Event().wait()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Start private PostgreSQL and RabbitMQ until Ctrl-C.")
    arguments.add_argument("--folder", type=Path, default=CHECKOUT / ".ringfence" / "dev")
    arguments.add_argument("--fresh", action="store_true", help="start with empty servers, keep nothing")
    chosen = arguments.parse_args()
    try:
        with suppress(asyncio.CancelledError):  # told to stop, also while still starting
            asyncio.run(_stay(chosen.folder, keep_data=not chosen.fresh))
    except SetUpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
