"""Usage as a platform sends it, and the accounts it belongs to."""

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from shared.clock import rfc3339
from shared.rating.default_book import DEFAULT_BOOK

CENTS = 1_000_000_00
"""A million dollars each: nobody runs low."""
HELD_MICROS = 1_800_000
HELD_SECONDS = 600


def talk_seconds(call_id: str) -> int:
    """Calls of all lengths from five seconds to ten minutes, the same each time the call is asked about."""
    return 5 + zlib.crc32(call_id.encode()) % (HELD_SECONDS - 4)


def account_ids(count: int) -> list[str]:
    return [f"acct-{number:06d}" for number in range(count)]


async def open_accounts(connection: asyncpg.Connection, account_ids: Sequence[str], now: datetime) -> None:
    """Accounts with money, through the door that payments use; and the default price book, if there is none."""
    await connection.execute(
        "INSERT INTO ledger.price_books (version, effective_at, book, created_at)"
        " SELECT 1, '2020-01-01T00:00:00Z', $1, $2 WHERE NOT EXISTS (SELECT FROM ledger.price_books)",
        orjson.dumps(DEFAULT_BOOK).decode(),
        now,
    )
    async with connection.transaction():
        await connection.execute(
            "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros)"
            " SELECT account_id, 'Bench', $2, 2000000 FROM unnest($1::text[]) AS account_id",
            account_ids,
            now,
        )
        await connection.execute(
            "SELECT ledger.post_credit_v1(account_id, 'credit', 'topup', $2, 'clearing', 'bench:' || account_id,"
            " 'Top-up', 'payment', account_id, '{}', $3) FROM unnest($1::text[]) AS account_id",
            account_ids,
            CENTS * 10_000,
            now,
        )


async def hold_calls(connection: asyncpg.Connection, calls: Sequence[tuple[str, str]], now: datetime) -> None:
    """One open hold per (account_id, call_id), through the gatekeeper's door."""
    for start in range(0, len(calls), 500):
        some = calls[start : start + 500]
        count = len(some)
        await connection.execute(
            "SELECT ledger.write_holds_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            [account_id for account_id, _ in some],
            ["call"] * count,
            [call_id for _, call_id in some],
            [f"hold_{call_id}" for _, call_id in some],
            ["open"] * count,
            [HELD_MICROS] * count,
            [0] * count,
            [HELD_SECONDS] * count,
            [False] * count,
            ["0.18"] * count,
            ['{"to": "+4930123456", "from": "+15550100", "direction": "outbound"}'] * count,
            [None] * count,
            [7_200] * count,
            now,
        )


def call_ended(account_id: str, call_id: str, now: datetime, seconds: int | None = None) -> dict[str, Any]:
    """A CloudEvent of a call that ended a moment ago, of so many seconds or of its own length."""
    seconds = talk_seconds(call_id) if seconds is None else seconds
    answered = now - timedelta(seconds=seconds + 5)
    return {
        "specversion": "1.0",
        "id": f"evt-{call_id}",
        "source": "sip/edge-1",
        "type": "call.ended",
        "time": rfc3339(now),
        "data": {
            "account_id": account_id,
            "call_id": call_id,
            "direction": "outbound",
            "from": "+15550100",
            "to": "+4930123456",
            "status": "completed",
            "started_at": rfc3339(answered - timedelta(seconds=4)),
            "answered_at": rfc3339(answered),
            "ended_at": rfc3339(answered + timedelta(seconds=seconds)),
            "duration_seconds": seconds,
        },
    }


def sms_sent(account_id: str, message_id: str, now: datetime) -> dict[str, Any]:
    """A CloudEvent of one message of one segment."""
    return {
        "specversion": "1.0",
        "id": f"evt-{message_id}",
        "source": "smpp/edge-1",
        "type": "sms.sent",
        "time": rfc3339(now),
        "data": {
            "account_id": account_id,
            "message_id": message_id,
            "from": "+15550100",
            "to": "+4930123456",
            "segments": 1,
        },
    }
