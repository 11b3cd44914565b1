"""Closed months on files: what is large and moves no money any more leaves the books, and can come back.

write      the billed holds of a month, and what its usage events said, into one file
remove     exactly what such a file holds out of the books
restore    back into them

Money never leaves: transfers stay whole, and of a usage event stays what makes it unique for ever and what it cost.
The file is gzip with a JSON value a line: a head, a line a row, an end that counts them; without its end it is no
archive. Removing goes by the file, row by row: what was not written down, or has changed since, stays.
"""

import gzip
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Final

import asyncpg
import orjson

from services.ledger.corrections import CORRECTABLE
from shared.postgres.pool import Connection, transaction
from shared.postgres.queries import Queries

FORMAT: Final = "ringfence archive 1"
AGE: Final = timedelta(days=90)
"""How long a month must be over: late usage, corrections and disputes come sooner."""

ROWS_PER_COMMIT = 1_000
ROWS_PER_READ = 5_000

_SQL = Queries.load(Path(__file__).parent / "queries" / "archive.sql")
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
    """Write what of this month can leave the books, as of one instant; the file is there when it is whole, or not."""
    counts = dict.fromkeys(_REMOVE, 0)
    unfinished = path.with_name(f"{path.name}.part")
    with _private_gzip(unfinished) as file:
        file.write(orjson.dumps({"format": FORMAT, "month": str(month)}) + b"\n")
        async for kind, row in _rows(pool, month):
            counts[kind] += 1
            file.write(b'{"%b": %b}\n' % (kind.encode(), row.encode()))
        file.write(orjson.dumps({"end": counts}) + b"\n")
    unfinished.rename(path)
    _sync(path.parent)
    return Counted.of(counts)


async def _rows(pool: asyncpg.Pool, month: Month) -> AsyncIterator[Line]:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
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

    return await _each(pool, path, under_lock)


async def restore(pool: asyncpg.Pool, path: Path) -> Counted:
    """Put back what the file holds and the books lack."""

    async def put_back(connection: Connection, kind: str, rows: list[str]) -> str:
        return await connection.execute(_RESTORE[kind], rows)

    return await _each(pool, path, put_back)


async def _each(
    pool: asyncpg.Pool, path: Path, work: Callable[[Connection, str, list[str]], Awaitable[str]]
) -> Counted:
    """How many rows of each kind `work` changed, by the tag of its statements."""
    month_of(path)
    changed = dict.fromkeys(_REMOVE, 0)
    lines = _lines(path)
    while batch := list(islice(lines, ROWS_PER_COMMIT)):
        async with transaction(pool) as connection:
            for kind in changed:
                if rows := [row for of, row in batch if of == kind]:
                    changed[kind] += int((await work(connection, kind, rows)).rpartition(" ")[2])
    return Counted.of(changed)


def month_of(path: Path) -> str:
    """Which month the file holds, after reading it to its end. Raises NoArchive."""
    for _ in _lines(path):
        pass
    with gzip.open(path) as file:
        month: str = orjson.loads(file.readline())["month"]
    return month


def _lines(path: Path) -> Iterator[Line]:
    counts = dict.fromkeys(_REMOVE, 0)
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
                    return
                counts[kind] += 1
                yield kind, line[len(f'{{"{kind}": ') : -len("}\n")]
    except (OSError, EOFError, ValueError, KeyError) as error:
        if isinstance(error, NoArchive):
            raise
        raise NoArchive(f"{path} can't be read as an archive: {error}") from error
    raise NoArchive(f"{path} has no end: it was cut off")


@contextmanager
def _private_gzip(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner can read; on the disk when the block ends, gone when the block raises."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as raw:
            with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as file:
                yield file  # type: ignore[misc]
            raw.flush()
            os.fsync(raw.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
