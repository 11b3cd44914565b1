"""Private servers: quick, kept apart, gone afterwards. Design §6, contract §1 ("and stopped again")."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import pytest

from deploy.local.processes import SetUpError, alive
from deploy.local.servers import CHECKOUT, Servers, private_servers
from tests.deploy.checkouts import copy_of_checkout, running
from tests.deploy.conftest import DEFAULT_PORTS
from tests.deploy.processes import left_after, processes_of

SECOND_START_SECONDS_MAX = 10
GIVEN = {
    "RINGFENCE_POSTGRES_URL": "postgresql://me@192.0.2.1/mine",
    "RINGFENCE_AMQP_URL": "amqp://me@192.0.2.1/",
}
BROKER_GIVEN = {"RINGFENCE_AMQP_URL": GIVEN["RINGFENCE_AMQP_URL"]}
"""For tests that are about PostgreSQL alone, to be quick."""
ORDINARY_USER = "daemon"
BROKER_REGISTERS_SECONDS = 3.5
"""RabbitMQ writes the register of its quorum queues behind: one declared just before a SIGKILL is lost for good."""


def silent(_: str) -> None: ...


@pytest.fixture
def kept_folder(tmp_path: Path) -> Iterator[Path]:
    """For servers that keep their data: what lies outside, under the temp directory, goes with the test."""
    yield tmp_path
    if (tmp_path / "postgres").is_symlink():
        shutil.rmtree((tmp_path / "postgres").resolve().parent)


async def test_a_second_start_is_quick_keeps_the_data_and_nothing_stays_running(
    kept_folder: Path, default_ports_taken: None
) -> None:
    """Contract §1: "private ones are started on free ports under `.ringfence/` … and stopped again"."""
    async with private_servers(kept_folder, keep_data=True, report=silent) as servers:
        await leave_something(servers)
        pids = processes_of(kept_folder)
    assert len(pids) > 3
    assert alive(pids) == []

    began = time.monotonic()
    async with private_servers(kept_folder, keep_data=True, report=silent) as servers:
        assert time.monotonic() - began < SECOND_START_SECONDS_MAX
        await find_it_again(servers)
        pids = processes_of(kept_folder)
    assert alive(pids) == []
    assert [path.name for path in kept_folder.glob("*.pid")] == []  # noqa: ASYNC240


async def test_servers_of_others_are_left_alone(servers: Servers) -> None:
    """Contract §1: "never touching a server that is already there". Here all the usual ports are taken."""
    for url in (servers.postgres_url, *servers.amqp_urls.values()):
        address = urlsplit(url)
        assert address.hostname == "127.0.0.1"
        assert address.port not in DEFAULT_PORTS


@pytest.mark.long
async def test_what_servers_acknowledged_survives_their_sudden_death(servers: Servers) -> None:
    await leave_something(servers)
    await asyncio.sleep(BROKER_REGISTERS_SECONDS)
    await servers.kill_postgres()
    await servers.kill_broker()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(servers.postgres_url)
    await servers.start_postgres()
    await servers.start_broker()
    await find_it_again(servers)


async def test_the_login_is_no_superuser_and_may_make_roles_and_databases(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    login = await connection.fetchrow(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, current_database() FROM pg_roles WHERE rolname = current_user"
    )
    await connection.close()
    assert login is not None
    assert tuple(login) == (False, True, True, "ringfence")


async def test_fm33_postgres_does_not_trade_safety_for_speed(servers: Servers) -> None:
    """Failure mode 33: synchronous_commit=off lost acknowledged commits."""
    connection = await asyncpg.connect(servers.postgres_url)
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await connection.fetchval("SELECT current_setting($1)", setting) == "on"
    await connection.close()


async def test_secrets_are_readable_by_their_owner_alone(servers: Servers) -> None:
    broker = servers.folder / "rabbitmq"
    for path in (servers.folder / "postgres.password", broker, broker / "passwords.json", broker / ".erlang.cookie"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
async def test_under_a_private_parent_postgres_runs_from_the_temp_directory(servers: Servers) -> None:
    """Design §6: "As root, when the checkout can't be reached by the other uid (a 0700 parent) …"."""
    assert servers.folder.parent.stat().st_mode & 0o077 == 0
    data = servers.folder / "postgres"
    assert data.is_symlink()
    assert data.resolve().is_relative_to(tempfile.gettempdir())
    postmaster = int((servers.folder / "postgres.pid").read_text().split()[0])
    assert Path(f"/proc/{postmaster}").stat().st_uid == pwd.getpwnam("nobody").pw_uid  # noqa: ASYNC240


async def test_given_servers_are_used_and_none_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contract §1: "With `RINGFENCE_POSTGRES_URL` / `RINGFENCE_AMQP_URL` set, those servers are used"."""
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    async with private_servers(tmp_path, keep_data=False, report=silent) as servers:
        assert servers.environment() == GIVEN
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]  # noqa: ASYNC240
        for touch in (servers.kill_postgres, servers.start_postgres, servers.kill_broker, servers.start_broker):
            with pytest.raises(SetUpError, match="given to us"):
                await touch()


async def test_a_folder_in_use_is_refused_or_the_next_one_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "run"
    async with private_servers(folder, keep_data=True, report=silent):
        with pytest.raises(SetUpError, match="in use by another process"):
            async with private_servers(folder, keep_data=True, report=silent):
                pass
        async with private_servers(folder, keep_data=True, report=silent, if_busy="next") as second:
            assert second.folder.name == "run-2"
    async with private_servers(folder, keep_data=True, report=silent, if_busy="next") as third:
        assert third.folder.name == "run"


@pytest.fixture
def private_checkout() -> Iterator[Path]:
    """A copy of the checkout, made with umask 077, that belongs to an ordinary user (unless we are one)."""
    checkout = Path(tempfile.mkdtemp(prefix="ringfence-checkout-"))
    copy_of_checkout(checkout)
    for path in (checkout, *(path for path in checkout.rglob("*") if not path.is_symlink())):
        path.chmod(path.stat().st_mode & 0o700)
        if os.geteuid() == 0:
            shutil.chown(path, ORDINARY_USER)
    yield checkout
    shutil.rmtree(checkout)


def test_an_ordinary_user_can_set_up_and_a_killed_command_leaves_nothing(private_checkout: Path) -> None:
    """Issue "The main job": "Works as root and as an ordinary user", "nothing left running"."""
    user = ORDINARY_USER if os.geteuid() == 0 else None
    folder = private_checkout / ".ringfence" / "run"
    with running(private_checkout, folder, lines=5, user=user, python=python_for(user)) as servers:
        assert set(servers.addresses) >= set(GIVEN)
        assert len(servers.pids) > 3
        servers.end(signal.SIGKILL)
        assert left_after(servers.pids, seconds=10) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_as_root_in_a_private_checkout_the_programs_are_copied_to_where_they_can_run(
    private_checkout: Path,
) -> None:
    """Design §6: "binaries and data go under the temp directory, linked from `.ringfence/`"."""
    folder = private_checkout / ".ringfence" / "run"
    with running(private_checkout, folder, lines=2, **BROKER_GIVEN) as servers:
        [copied] = (private_checkout / ".ringfence").glob("postgres-*")
        assert servers.end(signal.SIGINT) == 0
        assert alive(servers.pids) == []
    assert copied.resolve().is_relative_to(tempfile.gettempdir())
    shutil.rmtree(copied.resolve())


def test_a_stopped_command_stops_its_servers_and_succeeds(tmp_path: Path) -> None:
    with running(CHECKOUT, tmp_path / "run", lines=2, **BROKER_GIVEN) as servers:
        assert len(servers.pids) > 3
        assert servers.end(signal.SIGTERM) == 0
        assert alive(servers.pids) == []


def test_a_command_stopped_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with running(CHECKOUT, folder, lines=0, **BROKER_GIVEN) as servers:
        give_up = time.monotonic() + 20
        while not (folder / "postgres.pid").exists() and time.monotonic() < give_up:
            time.sleep(0.01)
        pids = processes_of(folder)
        assert servers.end(signal.SIGTERM) == 0
    assert pids
    assert alive(pids) == []


def python_for(user: str | None) -> str:
    """A Python of our version that this user may start: ours can live in root's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([python, "-c", ""], user=user, cwd="/", capture_output=True, check=True)
            return python
    pytest.skip(f"no Python 3.{sys.version_info.minor} that the user {user} may start")


async def leave_something(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS left_here (note text)")
    await connection.execute("INSERT INTO left_here VALUES ('paid')")
    await connection.close()
    async with await aio_pika.connect(servers.amqp_urls["operator"]) as broker:
        channel = await broker.channel()
        await channel.declare_queue("ledger.kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"paid", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "ledger.kept")


async def find_it_again(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.postgres_url)
    assert await connection.fetchval("SELECT note FROM left_here LIMIT 1") == "paid"
    await connection.close()
    async with await aio_pika.connect(servers.amqp_urls["operator"]) as broker:
        channel = await broker.channel()
        kept = await (await channel.get_queue("ledger.kept", ensure=False)).get(timeout=15)
        assert kept is not None
        assert kept.body == b"paid"
        await kept.ack()
