"""Closed months on files: what is large and moves no money any more leaves the books, and can come back.

write      the billed holds of a month, and what its usage events said, into one file
remove     exactly what such a file holds out of the books
restore    back into them

Money never leaves: transfers stay whole, and of a usage event stays what makes it unique for ever and what it cost.
The file is gzip with a JSON value a line: a head, a line a row, an end that counts them; without its end it is no
archive. Removing goes by the file, row by row: what was not written down, or has changed since, stays.
"""

import asyncio
import gzip
import os
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

import asyncpg
import orjson

from services.ledger.corrections import CORRECTABLE
from shared.postgres.pool import Connection, transaction
from shared.postgres.queries import Queries

FORMAT: Final = "ringfence archive 1"
AGE: Final = timedelta(days=90)
"""How long a month must be over: late usage, corrections and disputes come sooner."""

ROWS_PER_COMMIT = 200
"""Their accounts are locked meanwhile, and the busiest are in each commit; as long as one took nothing is locked."""

ROWS_PER_READ = 5_000

_SQL = Queries.load(Path(__file__).parent / "queries" / "archive.sql")
KINDS: Final = ("hold", "usage")
_REMOVE = {"hold": _SQL.remove_holds, "usage": _SQL.remove_told_usage}
_RESTORE = {"hold": _SQL.restore_holds, "usage": _SQL.restore_told_usage}

Line = tuple[str, str]
"""`hold` or `usage`, and the row's JSON as PostgreSQL wrote it."""


class NoArchive(ValueError):
    """The file is none of ours, or not whole; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC."""

    year: int
    month: int

    @property
    def begin(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return datetime(self.year + self.month // 12, self.month % 12 + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows: billed holds, and usage events."""

    holds: int
    usage: int

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "Counted":
        return cls(counts["hold"], counts["usage"])


async def write(pool: asyncpg.Pool, month: Month, path: Path) -> Counted:
    """Write what of this month can leave the books, as of one instant, into a new file; it appears whole.

    Raises NoArchive where the file can't be written or is there already, where the month has left for another file,
    and where there is nothing to write: two files of one month would hide which holds what.
    """
    counts = dict.fromkeys(KINDS, 0)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    with _private_gzip(unfinished) as put:
        put(orjson.dumps({"format": FORMAT, "month": str(month)}))
        async for kind, row in _rows(pool, month):
            counts[kind] += 1
            put(b'{"%b": %b}' % (kind.encode(), row.encode()))
        put(orjson.dumps({"end": counts}))
    try:
        if not any(counts.values()):
            raise NoArchive(f"nothing of {month} is in the books that could leave them")
        _publish(unfinished, path)
    finally:
        unfinished.unlink()
    return Counted.of(counts)


async def _rows(pool: asyncpg.Pool, month: Month) -> AsyncIterator[Line]:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        if await connection.fetchval(_SQL.was_archived, month.begin, month.end):
            raise NoArchive(f"{month} has left the books for another file: put that into the folder, or restore it")
        holds = connection.cursor(_SQL.billed_holds, month.begin, month.end, prefetch=ROWS_PER_READ)
        async for (row,) in holds:
            yield "hold", row
        usage = connection.cursor(_SQL.told_usage, month.begin, month.end, CORRECTABLE, prefetch=ROWS_PER_READ)
        async for (row,) in usage:
            yield "usage", row


async def remove(pool: asyncpg.Pool, path: Path) -> Counted:
    """Take what the file holds out of the books, some rows a commit; done twice, or in two halves, is done once."""

    async def under_lock(connection: Connection, kind: str, rows: list[str]) -> str:
        await connection.execute(_SQL.lock_accounts_of, rows)
        return await connection.execute(_REMOVE[kind], rows)

    return await _each(pool, path, under_lock, pauses=True)


async def restore(pool: asyncpg.Pool, path: Path) -> Counted:
    """Put back what the file holds and the books lack."""

    async def put_back(connection: Connection, kind: str, rows: list[str]) -> str:
        return await connection.execute(_RESTORE[kind], rows)

    return await _each(pool, path, put_back, pauses=False)


async def _each(
    pool: asyncpg.Pool, path: Path, work: Callable[[Connection, str, list[str]], Awaitable[str]], *, pauses: bool
) -> Counted:
    """How many rows of each kind `work` changed, by the tag of its statements."""
    month_of(path)
    changed = dict.fromkeys(KINDS, 0)
    lines = _lines(path)
    while batch := list(islice(lines, ROWS_PER_COMMIT)):
        began = time.monotonic()
        async with transaction(pool) as connection:
            for kind in changed:
                if rows := [row for of, row in batch if of == kind]:
                    changed[kind] += int((await work(connection, kind, rows)).rpartition(" ")[2])
        if pauses:
            await asyncio.sleep(time.monotonic() - began)
    return Counted.of(changed)


def month_of(path: Path) -> str:
    """Which month the file holds, after reading it to its end. Raises NoArchive."""
    for _ in _lines(path):
        pass
    with gzip.open(path) as file:
        month: str = orjson.loads(file.readline())["month"]
    return month


def _lines(path: Path) -> Iterator[Line]:
    counts = dict.fromkeys(KINDS, 0)
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            head = orjson.loads(file.readline())
            if not isinstance(head, dict) or head.get("format") != FORMAT:
                raise NoArchive(f"{path} does not begin as an archive")
            for line in file:
                kind = line[2:].partition('"')[0]
                if kind == "end":
                    if orjson.loads(line)["end"] != counts:
                        raise NoArchive(f"{path} does not hold the rows that its end counts")
                    if file.read(1):  # only at the end of the file does gzip compare its checksum
                        raise NoArchive(f"{path} goes on after its end")
                    return
                counts[kind] += 1
                yield kind, line[len(f'{{"{kind}": ') : -len("}\n")]
    except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        if isinstance(error, NoArchive):
            raise
        raise NoArchive(f"{path} can't be read as an archive: {error}") from error
    raise NoArchive(f"{path} has no end: it was cut off")


@contextmanager
def _private_gzip(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Puts lines into a new file that only its owner can read; on the disk when the block ends, gone when it raises."""
    try:
        with (
            os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file,
        ):

            def put(line: bytes) -> None:
                with _as_no_archive(path):
                    file.write(line + b"\n")

            yield put
            with _as_no_archive(path):
                file.close()
                raw.flush()
                os.fsync(raw.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _publish(unfinished: Path, path: Path) -> None:
    """Under its name, which must be free, and for good."""
    with _as_no_archive(path):
        path.hardlink_to(unfinished)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _as_no_archive(path: Path) -> Iterator[None]:
    """What the file system says is not the database's fault."""
    try:
        yield
    except OSError as error:
        raise NoArchive(f"{path} can't be written: {error.strerror}") from error
