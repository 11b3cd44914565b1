"""A PostgreSQL of its own whose data lies on a small disk that can be filled. Needs root, to mount one."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.local.postgres import PrivatePostgres
from deploy.local.servers import CHECKOUT, Servers
from shared.postgres.migrations import migrate
from tests.faults.templates import fresh_template

BALLAST = "ballast"
CHUNK = b"\0" * (1 << 20)


class NotRun(Exception):
    """This case can't be run here; the message says why."""


@asynccontextmanager
async def on_small_disk(servers: Servers, folder: Path, mib: int) -> AsyncIterator[tuple[Servers, str]]:
    """The same broker, another PostgreSQL, on a tmpfs of so many MiB; and its migrated template."""
    if os.geteuid() != 0:
        raise NotRun("a small disk is mounted, which needs root")
    if servers._postgres is None:
        raise NotRun("PostgreSQL was given to us")
    disk = _mount_point()
    await _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0711", "ringfence-small-disk", str(disk))
    try:
        place = folder / "small-disk"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (disk / "postgres").mkdir()
        (place / "postgres").symlink_to(disk / "postgres")
        postgres = PrivatePostgres(place, CHECKOUT / ".ringfence", _quiet)
        await postgres.prepare(keep_data=True)
        await postgres.start()
        try:
            smaller = replace(servers, postgres_url=postgres.url, _postgres=postgres)
            template = await fresh_template(smaller)
            await migrate(template, role_prefix="ringfence_faults")
            yield smaller, template
        finally:
            await postgres.kill()
    finally:
        await _run("umount", "--lazy", str(disk))
        os.rmdir(disk)


def _mount_point() -> Path:
    """Where PostgreSQL's own user may walk, wherever the checkout is."""
    made = Path(tempfile.mkdtemp(prefix="ringfence-disk-"))
    made.chmod(0o711)
    return made


class SmallDisk:
    """The disk under the PostgreSQL of `servers`, which `on_small_disk` made."""

    def __init__(self, servers: Servers) -> None:
        assert servers._postgres is not None
        self._postgres = servers._postgres
        self._folder = self._postgres._data.parent

    @property
    def server_runs(self) -> bool:
        process = self._postgres._process
        return process is not None and process.running

    @property
    def log(self) -> str:
        return self._postgres._log.read_text(errors="replace")

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """To the last byte; what others free meanwhile is taken too when this is called again."""
        with (self._folder / BALLAST).open("ab", buffering=0) as ballast:
            chunk = CHUNK
            while chunk:
                try:
                    ballast.write(chunk)
                except OSError:
                    chunk = chunk[: len(chunk) // 2]

    def free(self) -> None:
        (self._folder / BALLAST).unlink()


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != 0:
        raise NotRun(f"{command[0]} was refused")


def _quiet(_: str) -> None:
    pass
