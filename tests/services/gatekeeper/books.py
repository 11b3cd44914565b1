"""What tests put into the books by hand, and what they read there: the operator's view, not a service's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from shared.rating.default_book import DEFAULT_BOOK

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
USD = 1_000_000
ACCOUNT = "acct-1"


@dataclass
class TestBooks:
    """A connection of the database's owner."""

    __test__ = False
    connection: asyncpg.Connection

    async def open_account(self, account_id: str = ACCOUNT, **terms: Any) -> None:
        """An account with these columns; `balance_micros` is put there without a transfer."""
        columns: dict[str, Any] = {
            "account_id": account_id,
            "name": "Test",
            "created_at": EPOCH,
            "low_balance_micros": 2 * USD,
            "balance_micros": 10 * USD,
            **terms,
        }
        names = ", ".join(columns)
        places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
        await self.connection.execute(
            f"INSERT INTO ledger.accounts ({names}) VALUES ({places})",
            *columns.values(),
        )

    async def change(self, account_id: str = ACCOUNT, **terms: Any) -> None:
        for name, value in terms.items():
            await self.connection.execute(
                f"UPDATE ledger.accounts SET {name} = $2 WHERE account_id = $1",
                account_id,
                value,
            )

    async def publish_prices(self, book: dict[str, Any] | None = None) -> None:
        shown = DEFAULT_BOOK if book is None else book
        await self.connection.execute(
            "INSERT INTO ledger.price_books (version, effective_at, book, created_at)"
            " SELECT coalesce(max(version), 0) + 1, $1, $2, $1 FROM ledger.price_books",
            EPOCH,
            orjson.dumps(shown).decode(),
        )

    async def own_prices(self, items: list[dict[str, Any]], account_id: str = ACCOUNT) -> None:
        version = await self.connection.fetchval(
            "UPDATE ledger.accounts SET prices_version = prices_version + 1 WHERE account_id = $1"
            " RETURNING prices_version",
            account_id,
        )
        await self.connection.execute(
            "INSERT INTO ledger.account_prices (account_id, version, effective_at, items, created_at)"
            " VALUES ($1, $2, $3, $4, $3)",
            account_id,
            version,
            EPOCH,
            orjson.dumps(items).decode(),
        )

    async def add_number(
        self, number: str, *, number_id: str = "n1", by_hand: bool = True, billing: bool = False
    ) -> None:
        await self.connection.execute(
            "INSERT INTO ledger.numbers (account_id, number_id, number, suspended_by_hand, suspended_by_billing)"
            " VALUES ($1, $2, $3, $4, $5)",
            ACCOUNT,
            number_id,
            number,
            by_hand,
            billing,
        )

    async def start_plan(
        self, *, rate_micros: int | None = None, included_ms: int = 0, wallet_ms: int = 0, chat_ms: int | None = None
    ) -> None:
        await self.connection.execute(
            "INSERT INTO ledger.pools (account_id, subscription_id, period_start, period_end, rate_micros_per_minute,"
            " chat_ms, included_granted_ms, included_ms, wallet_ms) VALUES ($1, 'sub_1', $2, $3, $4, $5, $6, $6, $7)",
            ACCOUNT,
            EPOCH,
            EPOCH + timedelta(days=3650),
            rate_micros,
            chat_ms,
            included_ms,
            wallet_ms,
        )

    async def bill(self, ref_id: str, *, type: str = "call.ended", account_id: str = ACCOUNT) -> None:
        """Usage of this id is in the books, and closes its hold, as the ledger would."""
        await self.connection.execute(
            "INSERT INTO ledger.usage_events (account_id, source, event_id, type, ref_id, content_hash, state,"
            " occurred_at, stated_at, received_at, data) VALUES ($1, 'test', $2, $3, $4, '', 'posted', $5, $5, $5,"
            " '{}')",
            account_id,
            f"event of {ref_id}",
            type,
            ref_id,
            EPOCH,
        )
        amount = await self.connection.fetchval(
            "UPDATE ledger.holds SET state = 'billed', closed_at = $3, transfer_id = 7"
            " WHERE account_id = $1 AND ref_id = $2 AND state = 'open' RETURNING amount_micros",
            account_id,
            ref_id,
            EPOCH,
        )
        if amount is not None:
            await self.connection.execute(
                "UPDATE ledger.accounts SET held_micros = held_micros - $2, open_call_holds = open_call_holds - 1"
                " WHERE account_id = $1",
                account_id,
                amount,
            )

    async def account(self, account_id: str = ACCOUNT) -> asyncpg.Record:
        return await self.connection.fetchrow("SELECT * FROM ledger.accounts WHERE account_id = $1", account_id)

    async def hold(self, ref_id: str, account_id: str = ACCOUNT) -> asyncpg.Record | None:
        return await self.connection.fetchrow(
            "SELECT * FROM ledger.holds WHERE account_id = $1 AND ref_id = $2", account_id, ref_id
        )

    async def events(self, account_id: str = ACCOUNT) -> list[tuple[str, dict[str, Any]]]:
        """Type and data of every event of the account, oldest first."""
        rows = await self.connection.fetch(
            "SELECT type, data FROM ledger.events WHERE account_id = $1 ORDER BY seq", account_id
        )
        return [(row["type"], orjson.loads(row["data"])) for row in rows]
