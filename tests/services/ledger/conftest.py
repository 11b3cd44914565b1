"""The whole system, and a look into its books."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.postgres.audit import audit_books
from shared.runtime import Hosted


@pytest.fixture
async def books(ringfence: Hosted, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A look into the books, and the audit when the test is over."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
    report = await audit_books(database_url)
    assert report.findings == ()
