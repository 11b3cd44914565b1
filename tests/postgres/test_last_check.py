"""What is written down as the last check of the books, whatever the clocks say."""

from datetime import UTC, datetime, timedelta

import asyncpg

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


async def test_a_slow_check_does_not_replace_a_later_one_and_a_clock_set_back_hides_none(database_url: str) -> None:
    books = await asyncpg.connect(database_url)

    async def shown_after(began: datetime) -> datetime:
        await books.execute("SELECT portal.record_books_check_v1($1, 1, '[]')", began)
        shown: datetime = await books.fetchval("SELECT checked_at FROM portal.books_checks")
        return shown

    assert await shown_after(NOON) == NOON
    assert await shown_after(NOON - timedelta(minutes=2)) == NOON, "it began earlier and took longer"
    ahead = NOON + timedelta(hours=1)
    assert await shown_after(ahead) == ahead
    assert await shown_after(NOON + timedelta(seconds=1)) == NOON + timedelta(seconds=1), "the clock was set back"
    await books.close()
