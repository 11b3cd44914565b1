"""Whatever order usage arrives in, the books end the same (contract §3)."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.ledger.context import LedgerContext
from services.ledger.handlers import ChargeUsage
from services.ledger.rentals import charge_due_fees
from services.ledger.settings import LedgerSettings
from shared.messaging.messages import Incoming, Retry
from shared.postgres.audit import audit_books
from shared.price_books import PriceBooks
from shared.runtime import Hosted
from shared.settings import Settings
from tests.conftest import HostServices
from tests.usage import call_ended, envelope, sms_sent

EVENTS = 10_000
CUSTOMERS = 20


def a_month_of_usage(rng: random.Random, prefix: str, now: datetime) -> list[dict[str, Any]]:
    """Calls, messages, chats, numbers, corrections and duplicates of one set of customers."""
    events: list[dict[str, Any]] = []
    for place in range(EVENTS):
        account_id = f"{prefix}{rng.randrange(CUSTOMERS)}"
        at = now - timedelta(seconds=rng.randrange(40 * 86_400))
        kind = rng.choices(("call", "sms", "chat", "rented", "released", "adjusted", "again"), (60, 20, 6, 2, 1, 8, 3))[
            0
        ]
        if kind == "call":
            events.append(call_ended(account_id, f"c{place}", rng.randrange(600), event_id=f"e{place}", ended_at=at))
        elif kind == "sms":
            events.append(sms_sent(account_id, f"m{place}", rng.randrange(1, 5), event_id=f"e{place}", time=at))
        elif kind == "chat":
            data = {"account_id": account_id, "chat_id": f"chat{place}", "messages": rng.randrange(1, 9)}
            events.append(envelope("chat.message", data, event_id=f"e{place}", time=at))
        elif kind in ("rented", "released"):
            number = rng.randrange(3)
            data = {
                "account_id": account_id,
                "number_id": f"n{number}",
                "number": f"+1555010{number}",
                "at": at.isoformat(),
            }
            events.append(envelope(f"number.{kind}", data, event_id=f"e{place}", time=at))
        elif events and kind == "adjusted":
            original = rng.choice(events)
            if original["type"] == "call.ended":
                data = {
                    "account_id": original["data"]["account_id"],
                    "refers_to": {"source": "sip", "id": original["id"]},
                    "duration_seconds": rng.randrange(600),
                }
                events.append(envelope("usage.adjusted", data, event_id=f"e{place}", time=at))
        elif events:
            events.append(rng.choice(events))
    return events


async def bill(context: LedgerContext, events: list[dict[str, Any]], rng: random.Random) -> None:
    charge_usage = ChargeUsage(context)
    while events:
        size = rng.randrange(1, 700)
        batch, events = events[:size], events[size:]
        outcomes = await charge_usage([Incoming(orjson.dumps(event)) for event in batch])
        assert not any(isinstance(outcome, Retry) for given_up in outcomes.values() for outcome in given_up)


async def test_ten_thousand_events_in_any_order_end_in_the_same_balances(
    host_services: HostServices, settings: Settings, database_url: str
) -> None:
    """«10,000 events in any order end in the same balances to the micro»."""
    hosted: Hosted = await host_services()
    pool = await asyncpg.create_pool(database_url, init=_speak_json)
    context = LedgerContext(hosted.host, pool, PriceBooks(pool), LedgerSettings())
    now = datetime.now(UTC)
    balances = []
    for prefix in ("straight-", "shuffled-"):
        await pool.execute(
            "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros)"
            " SELECT $1 || n, 'Ada', $2, 0 FROM generate_series(0, $3) AS n",
            prefix,
            now,
            CUSTOMERS - 1,
        )
        events = a_month_of_usage(random.Random(7), prefix, now)
        if prefix == "shuffled-":
            random.Random(8).shuffle(events)
        await bill(context, events, random.Random(prefix))
        await charge_due_fees(context)
        rows = await pool.fetch(
            "SELECT account_id, balance_micros FROM ledger.accounts WHERE account_id LIKE $1 ORDER BY 1", prefix + "%"
        )
        balances.append({row["account_id"].removeprefix(prefix): row["balance_micros"] for row in rows})
    await pool.close()
    assert balances[0] == balances[1]
    assert all(balance < 0 for balance in balances[0].values())
    assert (await audit_books(database_url)).findings == ()


async def _speak_json(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            schema="pg_catalog",
            encoder=lambda value: value if isinstance(value, str) else orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )
