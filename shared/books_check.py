"""The books check as production runs it: on the audit tick, with the result as metrics and in the log."""

from dataclasses import asdict
from datetime import datetime

import asyncpg
import orjson
import structlog
from prometheus_client import Counter, Gauge

from shared.postgres.audit import Report, audit_books

BOOKS_FINDINGS = Gauge("ringfence_books_findings", "Invariants of the books that do not hold, by service", ["service"])
BOOKS_CHECKED = Counter("ringfence_books_checks_total", "Completed checks of the books")

log = structlog.get_logger(__name__)


async def check_books(postgres_url: str, pool: asyncpg.Pool, now: datetime) -> Report:
    """Run every invariant, set the metrics, log each finding by name; `pool` writes down how it went."""
    report = await audit_books(postgres_url)
    findings = [asdict(finding) for finding in report.findings]
    await pool.execute(
        "SELECT portal.record_books_check_v1($1, $2, $3)", now, len(report.checked), orjson.dumps(findings).decode()
    )
    for service in {name.partition(":")[0] for name in report.checked}:
        found = [finding for finding in report.findings if finding.service == service]
        BOOKS_FINDINGS.labels(service).set(len(found))
        for finding in found:
            log.error(
                "books_finding",
                service=service,
                invariant=finding.invariant,
                subject=finding.subject,
                detail=finding.detail,
            )
    BOOKS_CHECKED.inc()
    return report
