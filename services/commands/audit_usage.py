"""What a platform has told, compared with the books: after a restore, what was lost is listed, not guessed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from services.commands.failures import CommandFailed, ExitCode
from services.commands.files import read_text
from shared import strict_json
from shared.postgres.audit import Finding
from shared.postgres.pool import open_pool
from shared.postgres.queries import Queries

NAME: Final = "ledger: told usage is in the books"
INVARIANT: Final = "told_usage_is_in_the_books"
_SQL = Queries.load(Path(__file__).with_name("queries.sql"))

Key = tuple[str, str, str]


async def missing_usage(postgres_url: str, file: Path) -> Sequence[Finding]:
    """One finding for each event of the file that the books don't have: queued, dead, or lost. Sending it again does no
    harm. The file holds a JSON array of CloudEvents, or one a line; raises CommandFailed for anything else."""
    told = list(dict.fromkeys(_key(event, file) for event in _events(file)))
    pool = await open_pool(postgres_url, "audit", size_max=1, command_timeout_seconds=300)
    try:
        accounts, sources, ids = zip(*told, strict=True) if told else ((), (), ())
        rows = await pool.fetch(_SQL.usage_not_in_books, accounts, sources, ids)
    finally:
        await pool.close()
    return [
        Finding("ledger", INVARIANT, row["account_id"], f"{row['event_id']} of {row['source']} is not in the books")
        for row in rows
    ]


def _events(file: Path) -> list[Any]:
    text = read_text(file)
    try:
        if text.lstrip().startswith("["):
            events: Any = strict_json.loads(text.encode())
            return list(events)
        return [strict_json.loads(line.encode()) for line in text.splitlines() if line.strip()]
    except strict_json.NotStrictJson as error:
        raise CommandFailed(f"{file}: {error}", ExitCode.COULD_NOT) from None


def _key(event: Any, file: Path) -> Key:
    try:
        return str(event["data"]["account_id"]), str(event["source"]), str(event["id"])
    except (TypeError, KeyError) as error:
        raise CommandFailed(f"{file}: an event lacks {error}", ExitCode.COULD_NOT) from None
