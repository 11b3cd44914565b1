"""Backup and restore: back to a point before the crash, then reconciled; what was lost is listed, not guessed."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest

from deploy.local.postgres import PrivatePostgres
from services.commands.audit_payments import compare_with_provider
from services.commands.audit_usage import missing_usage
from services.commands.payment_provider import Provider, hold_of_clock, payment_provider
from services.everything import SERVICES
from shared.clock import SystemClock, rfc3339
from shared.contracts.ticks_v1 import tick_type
from shared.messaging.cloudevents import cloud_event
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import TICKS, USAGE
from shared.postgres.audit import audit_books
from shared.postgres.migrations import migrate
from shared.runtime import host
from shared.settings import Settings
from tests.conftest import PLATFORM_KEY
from tests.usage import call_ended

COST_MICROS = 180_000
SIGN_UP_MICROS = 10_000_000


class Archived:
    """A PostgreSQL that archives its WAL, and the two things an operator does with it."""

    def __init__(self, server: PrivatePostgres, archive: Path) -> None:
        self.server = server
        self.archive = archive

    async def start(self) -> None:
        await self.server.prepare(keep_data=False)
        await self.server.stop()
        self._configure("archive_mode = on", f"archive_command = 'cp %p {self.archive}/%f'")
        trusted = "host all,replication postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\n"
        access = self.server._data / "pg_hba.conf"
        access.write_text(trusted + access.read_text())
        await self.server.start()

    def back_up(self, target: Path) -> None:
        """`pg_basebackup`, as docs/operations.md says."""
        program = self.server._programs / "pg_basebackup"
        where = ["-h", "127.0.0.1", "-p", str(self.server.port), "-U", "postgres"]
        subprocess.run([program, *where, "-D", target, "-c", "fast"], check=True, timeout=60)

    async def archive_everything(self) -> None:
        superuser = await asyncpg.connect(host="127.0.0.1", port=self.server.port, user="postgres", database="postgres")
        last = await superuser.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
        for _ in range(300):
            if await superuser.fetchval("SELECT last_archived_wal >= $1 FROM pg_stat_archiver", last):
                break
            await asyncio.sleep(0.1)
        await superuser.close()
        assert (self.archive / last).exists()

    async def restore(self, backup: Path, to: datetime) -> None:
        """The crashed cluster's data is gone; the backup and the archived WAL bring it back to that instant."""
        data, owner = self.server._data, self.server._data.stat()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        data.chmod(0o700)
        (data / "recovery.signal").touch()
        self._configure(
            f"restore_command = 'cp {self.archive}/%f %p'",
            f"recovery_target_time = '{to.isoformat()}'",
            "recovery_target_action = 'promote'",
        )
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)
        await self.server.start()

    def _configure(self, *lines: str) -> None:
        with (self.server._data / "postgresql.conf").open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


@pytest.fixture
async def archived(tmp_path: Path) -> AsyncIterator[Archived]:
    folder = Path(tempfile.mkdtemp(prefix="ringfence-restore-"))
    folder.chmod(0o777)  # noqa: ASYNC240 -- the server may run as another user
    archive = folder / "archive"
    archive.mkdir()
    archive.chmod(0o777)
    cache = Path(__file__).parents[2] / ".ringfence"
    server = PrivatePostgres(folder, cache, print)
    yield Archived(server, archive)
    await server.stop()
    await server.remove_data()
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def system(url: str, settings: Settings, folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Provider]]:
    """Everything, on this database; the stand-in remembers what it did before."""
    wanted = settings.model_copy(update={"postgres_url": url})
    async with payment_provider(folder, SERVICES, wanted) as provider, host(SERVICES, provider.settings) as hosted:
        hold_of_clock(provider, hosted.host.clock)
        async with httpx.AsyncClient(base_url=hosted.url, timeout=30, trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {PLATFORM_KEY}"
            yield client, provider


async def eventually(look: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    for _ in range(300):
        seen = await look()
        if seen == wanted:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{seen}, not {wanted}")


class Platform:
    """What it told Ringfence it keeps, as every platform should."""

    def __init__(self, amqp_url: str) -> None:
        self._amqp_url = amqp_url
        self.told: list[dict[str, Any]] = []

    async def tell(self, *names: str) -> None:
        self.told += [call_ended("ada", name, 60, event_id=name) for name in names]
        await self.tell_again(self.told[-len(names) :])

    async def tell_again(self, events: list[dict[str, Any]]) -> None:
        await self._publish(*(Message(USAGE, event["type"], orjson.dumps(event)) for event in events))

    async def audit_tick(self) -> None:
        now = SystemClock().now()
        body = cloud_event(id=now.isoformat(), type=tick_type("audit"), time=now, data={"due_at": rfc3339(now)})
        await self._publish(Message(TICKS, tick_type("audit"), body))

    async def _publish(self, *messages: Message) -> None:
        broker = Rabbit(self._amqp_url)
        await broker.open()
        assert not any(await broker.publish_many(messages))
        await broker.close()


async def open_account(client: httpx.AsyncClient) -> dict[str, str]:
    opened = (await client.post("/v1/accounts", json={"id": "ada", "name": "Ada"})).json()
    own = {"Authorization": f"Bearer {opened['api_key']}"}
    card = {"payment_method_id": "pm_card_visa"}
    assert (await client.post("/v1/billing/default-payment-method", json=card, headers=own)).status_code == 200
    return own


async def top_up(client: httpx.AsyncClient, own: dict[str, str], cents: int) -> str:
    answer = await client.post("/v1/billing/top-up", json={"amount_cents": cents}, headers=own)
    assert answer.status_code == 201, answer.text
    payment: str = answer.json()["payment_intent_id"]
    return payment


async def balance_micros(client: httpx.AsyncClient) -> int:
    micros: int = (await client.get("/v1/accounts/ada")).json()["balance_micros"]
    return micros


async def test_restored_to_a_point_before_the_crash_and_reconciled_to_the_micro(
    archived: Archived, settings: Settings, tmp_path: Path
) -> None:
    """Lost usage and payments are named by `ringfence audit`; told and pulled again, each moves money once."""
    await archived.start()
    url = archived.server.url
    await migrate(url, role_prefix="ringfence_restored")
    platform = Platform(settings.amqp_url)
    async with system(url, settings, tmp_path) as (client, _):
        own = await open_account(client)
        await platform.tell("before-1", "before-2")
        await top_up(client, own, 500)
        await eventually(lambda: balance_micros(client), SIGN_UP_MICROS + 5_000_000 - 2 * COST_MICROS)
        archived.back_up(tmp_path / "backup")
        await platform.tell("after-the-backup")
        await eventually(lambda: balance_micros(client), SIGN_UP_MICROS + 5_000_000 - 3 * COST_MICROS)
        point = SystemClock().now()
        await platform.tell("lost-1", "lost-2")
        lost_payment = await top_up(client, own, 700)
        await eventually(lambda: balance_micros(client), SIGN_UP_MICROS + 12_000_000 - 5 * COST_MICROS)
        await archived.archive_everything()
    await platform.tell("still-queued")
    await archived.server.kill()

    await archived.restore(tmp_path / "backup", point)
    assert (await audit_books(url)).findings == ()
    sent = tmp_path / "sent.jsonl"
    sent.write_bytes(b"\n".join(map(orjson.dumps, platform.told)))
    missing = {finding.detail.split()[0] for finding in await missing_usage(url, sent)}
    assert missing == {"lost-1", "lost-2", "still-queued"}

    async with payment_provider(tmp_path, SERVICES, settings) as provider:  # what an operator sees before the start
        environment = {"RINGFENCE_POSTGRES_URL": url, **provider.environment}
        assert [finding.subject for finding in await compare_with_provider(environment) or ()] == [lost_payment]
    async with system(url, settings, tmp_path) as (client, provider):
        environment = {"RINGFENCE_POSTGRES_URL": url, **provider.environment}
        await platform.tell_again(platform.told)
        await platform.audit_tick()
        await eventually(lambda: balance_micros(client), SIGN_UP_MICROS + 12_000_000 - 6 * COST_MICROS)
        assert await compare_with_provider(environment) == []
        assert await missing_usage(url, sent) == []
    assert (await audit_books(url)).findings == ()
