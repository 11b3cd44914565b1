"""The system as it is measured: the gate in one process, all else in a second, on books with 1,000 accounts."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from benchmarks.cpu import Meter
from benchmarks.stage import Child, Stage, services
from benchmarks.traffic import account_ids, open_accounts
from shared.clock import SystemClock
from shared.postgres.audit import audit_books

ACCOUNTS = 1_000
ALL_ELSE = "ledger,payments,scheduler,subscriptions"


@dataclass(frozen=True, slots=True)
class System:
    """Both processes, and the books' owner. `meter` calls the second process `ledger`."""

    url: str
    owner: asyncpg.Connection
    gate: Child
    rest: Child
    meter: Meter

    async def audit(self) -> None:
        """The books are right, or the benchmark ends here."""
        report = await audit_books(self.url)
        assert not report.findings, report.findings


@asynccontextmanager
async def system(stage: Stage, more: Mapping[str, str] | None = None) -> AsyncIterator[System]:
    """Fresh books, both processes up; `more` goes into the environment of both."""
    url = await stage.books()
    owner = await asyncpg.connect(url)
    try:
        await open_accounts(owner, account_ids(ACCOUNTS), SystemClock().now())
        async with (
            services(stage, "rest", url, ALL_ELSE, more) as rest,
            services(stage, "gate", url, "gatekeeper", more) as gate,
        ):
            yield System(url, owner, gate, rest, stage.meter(gate=gate.pid, ledger=rest.pid))
    finally:
        await owner.close()
