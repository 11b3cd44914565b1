"""The books check as production runs it: on the audit tick, with the result as metrics and in the log."""

from dataclasses import asdict
from datetime import datetime

import asyncpg
import orjson
import structlog
from prometheus_client import Counter, Histogram

from shared.postgres.audit import Report, audit_books

BOOKS_CHECKED = Counter("ringfence_books_checks", "Checks of the books that this process completed.")
CHECK_SECONDS = Histogram(
    "ringfence_books_check_seconds",
    "How long a check of the books took.",
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 20, 60, 300),
)

log = structlog.get_logger(__name__)


async def check_books(postgres_url: str, pool: asyncpg.Pool, now: datetime) -> Report:
    """Run every invariant, log each finding by name; `pool` writes down how it went, for `/metrics` and `/ops`."""
    with CHECK_SECONDS.time():
        report = await audit_books(postgres_url)
    findings = [asdict(finding) for finding in report.findings]
    await pool.execute(
        "SELECT portal.record_books_check_v1($1, $2, $3)", now, len(report.checked), orjson.dumps(findings).decode()
    )
    for finding in findings:
        log.error("books_finding", **finding)
    BOOKS_CHECKED.inc()
    return report
