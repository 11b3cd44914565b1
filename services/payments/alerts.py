"""What a person should look at: kept until it is cleared, logged each time, counted for Prometheus."""

from datetime import datetime

import asyncpg
import structlog
from prometheus_client import Counter

from services.payments.store import SQL
from shared.postgres.pool import Connection

ALERTS = Counter("ringfence_payments_alerts", "Things about payments that ops were told of.", ["kind"])

log = structlog.get_logger(__name__)


async def alert(
    connection: Connection | asyncpg.Pool,
    kind: str,
    subject: str,
    detail: str,
    now: datetime,
    *,
    account_id: str | None = None,
) -> None:
    """Tell ops, once per kind and subject until it is cleared."""
    await connection.execute(SQL.raise_alert, kind, subject, account_id, detail, now)
    ALERTS.labels(kind).inc()
    log.error("ops_alert", kind=kind, subject=subject, account_id=account_id, detail=detail)
