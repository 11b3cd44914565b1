"""`ringfence archive …`: closed months leave the books' largest tables for files, and come back from them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from services.commands.console import print_json, say
from services.commands.environment import setting
from services.commands.failures import CommandFailed, ExitCode
from services.ledger import archive
from services.ledger.archive import AGE, Counted, Month, NoArchive
from shared.clock import SystemClock
from shared.postgres.pool import open_pool
from shared.postgres.queries import Queries

app = typer.Typer(
    help="Closed months on files: billed holds and what usage events said leave the books; money never does.",
    no_args_is_help=True,
)

SECONDS_MAX = 3_600.0
"""A month is read with its table's whole history."""

_SQL = Queries.load(Path(__file__).with_name("queries.sql"))
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


@app.command("month")
def one_month(
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="A month in UTC, over for 90 days.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where the file is put.")],
    json: JsonOption = False,
) -> None:
    """Write a closed month to FOLDER/ringfence-YYYY-MM.jsonl.gz, then remove from the books what the file holds.

    Holds that were billed go, and what usage events said; transactions stay, and so does what makes an event unique.
    A file that is there already is not written again: what it holds is removed. Exit code 1: the month is too young.
    """
    wanted = _month(month)
    if not to.is_dir():
        raise CommandFailed(f"{to} is no folder", ExitCode.COULD_NOT)
    path = to / f"ringfence-{wanted}.jsonl.gz"
    is_written = path.exists()
    removed = _run(lambda pool: _archive(pool, wanted, path, is_written=is_written))
    if json:
        print_json({"file": str(path), "removed": {"holds": removed.holds, "usage": removed.usage}})
    else:
        say(f"{path} holds {wanted}. {_words(removed)} left the books.")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `ringfence archive month` wrote.")],
    json: JsonOption = False,
) -> None:
    """Put back into the books what FILE holds and they lack; again does nothing."""
    restored = _run(lambda pool: archive.restore(pool, file))
    if json:
        print_json({"file": str(file), "restored": {"holds": restored.holds, "usage": restored.usage}})
    else:
        say(f"{_words(restored)} came back from {file}.")


async def _archive(pool: asyncpg.Pool, month: Month, path: Path, *, is_written: bool) -> Counted:
    offset = timedelta(microseconds=await pool.fetchval(_SQL.clock_offset))
    if month.end + AGE > SystemClock().now() + offset:
        raise CommandFailed(f"{month} has not been over for {AGE.days} days: late usage and corrections may still come")
    if not is_written:
        await archive.write(pool, month, path)
    elif archive.month_of(path) != str(month):
        raise NoArchive(f"{path} holds another month")
    return await archive.remove(pool, path)


def _run(work: Callable[[asyncpg.Pool], Awaitable[Counted]]) -> Counted:
    async def with_pool() -> Counted:
        url = setting("RINGFENCE_POSTGRES_URL")
        pool = await open_pool(url, "ledger", size_max=1, command_timeout_seconds=SECONDS_MAX)
        try:
            return await work(pool)
        finally:
            await pool.close()

    try:
        return asyncio.run(with_pool())
    except NoArchive as error:
        raise CommandFailed(str(error), ExitCode.COULD_NOT) from None


def _month(text: str) -> Month:
    match = _MONTH.fullmatch(text)
    if match is None:
        raise CommandFailed(f"{text} is no month: write YYYY-MM", ExitCode.COULD_NOT)
    return Month(int(match[1]), int(match[2]))


def _words(counted: Counted) -> str:
    return f"{counted.holds:,} holds and the words of {counted.usage:,} usage events"
