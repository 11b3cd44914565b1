"""The books check: every service's invariants in one snapshot, under a role that can only read.

A service keeps its invariants as named queries in `invariants.sql`; each returns what is *not* right as rows of
(subject, detail). No row anywhere means the books are right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg

from shared.postgres.migrations import ORDER, SERVICES_FOLDER
from shared.postgres.pool import open_pool
from shared.postgres.queries import Queries

FINDINGS_SHOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not right: which invariant, about what, and how."""

    service: str
    invariant: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked and what was found."""

    checked: tuple[str, ...]
    findings: tuple[Finding, ...]


def _invariants() -> Iterator[tuple[str, str, str]]:
    for service in ORDER:
        path = SERVICES_FOLDER / service / "invariants.sql"
        if path.exists():
            for name, text in Queries.load(path).items():
                yield service, name, text


async def audit_books(url: str) -> Report:
    """Run every invariant of every service in one REPEATABLE READ snapshot. Raises an outage if it can't."""
    pool = await open_pool(url, "audit", size_max=1, command_timeout_seconds=300, isolation="repeatable_read")
    try:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            return await _run(connection)
    finally:
        await pool.close()


async def _run(connection: asyncpg.pool.PoolConnectionProxy) -> Report:
    checked: list[str] = []
    findings: list[Finding] = []
    for service, name, text in _invariants():
        checked.append(f"{service}: {name.replace('_', ' ')}")
        findings += _found(service, name, await connection.fetch(text))
    return Report(tuple(checked), tuple(findings))


def _found(service: str, name: str, rows: Sequence[asyncpg.Record]) -> list[Finding]:
    return [Finding(service, name, row["subject"], row["detail"]) for row in rows[:FINDINGS_SHOWN_MAX]]
