"""An error of one in each column that holds money or minutes is found, and the row is named.

A column of money or minutes in any service's schema must be here: planted, or with the reason why nobody could tell.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from shared.postgres.audit import audit_books
from shared.postgres.migrations import ORDER
from tests.holds import place_hold
from tests.services.subscriptions.many import make_subscriptions

NOW = datetime(2027, 1, 1, tzinfo=UTC)

PLANTED = {
    # table.column: whom or what the finding must name
    "ledger.accounts.balance_micros": "ada",
    "ledger.accounts.held_micros": "ada",
    "ledger.accounts.spend_micros": "ada",
    "ledger.transfers.amount_micros": "ada",
    "ledger.transfers.balance_after_micros": "ada",
    "ledger.holds.amount_micros": "ada",
    "ledger.holds.pool_ms": "client-00000",
    "ledger.pools.included_ms": "client-00000",
    "ledger.pools.wallet_ms": "client-00000",
    "ledger.pools.billable_ms": "client-00000",
    "ledger.pools.held_ms": "client-00000",
    "ledger.pool_transfers.amount_ms": "client-00000",
    "ledger.pool_transfers.balance_after_ms": "client-00000",
    "ledger.pools.late_ms": "client-00000",
    "ledger.plan_windows.late_ms": "client-00000",
    "payments.attempts.amount_cents": "chg_1",
    "payments.refunds.amount_cents": "ref_1",
    "payments.disputes.amount_cents": "dp_1",
    "subscriptions.payment_requests.amount_cents": "preq_",
}
TERMS = {
    # What somebody has set, or a note of what was: it moves nothing by itself, and nothing else says what it should be.
    "gatekeeper.rejections.required_micros": "what a refused check needed, for people to read",
    "gatekeeper.rejections.available_micros": "what there was at that moment",
    "ledger.accounts.credit_limit_micros": "set by the platform",
    "ledger.accounts.low_balance_micros": "set by the platform",
    "ledger.accounts.monthly_spend_limit_micros": "set by the platform",
    "ledger.holds.granted": "a promise to a call; the money held for it is what counts",
    "ledger.pools.chat_ms": "copied from the terms of the plan",
    "ledger.pools.rate_micros_per_minute": "copied from the terms of the plan",
    "ledger.plan_windows.chat_ms": "copied from the terms of the plan",
    "ledger.pools.wallet_used_ms": "shown as used this period; the wallet itself is what counts",
    "payments.profiles.pardoned_balance_micros": "down to where a debt is not charged again after a brake",
    "payments.profiles.verified_balance_micros": "how far a chain was last checked",
    "ledger.pools.included_granted_ms": "copied from the terms of the plan; at least what is left, by a constraint",
    "payments.profiles.dispute_debt_micros": "how much of what is owed a dispute took: it only keeps cards from being charged",
    "payments.profiles.failed_amount_cents": "the last decline, for people to read",
    "payments.profiles.reload_minimum_cents": "set by the customer",
    "payments.profiles.reload_amount_cents": "set by the customer",
    "payments.profiles.reload_monthly_limit_cents": "set by the customer",
    "subscriptions.periods.billable_ms": "compared in whole cents with what is asked for: a millisecond is below that",
    "subscriptions.packs.minutes": "set by the agency",
    "subscriptions.packs.price_cents": "set by the agency",
    "subscriptions.plans.included_minutes": "set by the agency; a subscription keeps its own copy",
    "subscriptions.plans.recurring_fee_cents": "set by the agency; a subscription keeps its own copy",
    "subscriptions.plans.chats_per_minute": "set by the agency",
}
HOLDING = r"(_micros|_cents|_ms|minutes?|granted|_seconds)($|_per_minute$)"


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Something in every table, all of it right; and rights that nobody has in production."""
    await make_subscriptions(database_url, 1, started_at=NOW)
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros) VALUES ('ada', 'A', $1, 0)", NOW
    )
    await _fill(connection)
    for table in ("ledger.transfers", "ledger.pool_transfers", "ledger.accounts"):
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield connection
    await connection.close()


async def _fill(connection: asyncpg.Connection) -> None:
    moved = {}
    for kind, reason, micros, origin in (
        ("credit", "topup", 20_000_000, "stripe:pi_1"),
        ("refund", "refund", -3_000_000, "stripe:ref_1"),
        ("adjustment", "dispute", -5_000_000, "stripe:dp_1"),
    ):
        moved[reason] = await connection.fetchval(
            "SELECT transfer_id FROM ledger.post_credit_v1('ada', $1, $2, $3, 'clearing:stripe', $4, 'x', 'payment',"
            " 'pi_1', '{}', $5)",
            *(kind, reason, micros, origin, NOW),
        )
    await connection.execute(
        "INSERT INTO payments.attempts (attempt_id, account_id, kind, provider, customer_id, card_id, amount_cents, cap_month, state, payment_id,"
        " transfer_id, created_at) VALUES ('chg_1', 'ada', 'topup', 'stripe', 'cus_1', 'pm_1', 2000, $1::timestamptz::date, 'succeeded',"
        " 'pi_1', $2, $1)",
        NOW,
        moved["topup"],
    )
    await connection.execute(
        "INSERT INTO payments.refunds (refund_id, account_id, payment_id, transfer_id, amount_cents, reason, state,"
        " refund_transfer_id, created_at) VALUES ('ref_1', 'ada', 'pi_1', $2, 300, 'x', 'refunded', $3, $1)",
        *(NOW, moved["topup"], moved["refund"]),
    )
    await connection.execute(
        "INSERT INTO payments.disputes (dispute_id, account_id, payment_id, amount_cents, status, is_taken, opened_at)"
        " VALUES ('dp_1', 'ada', 'pi_1', 500, 'needs_response', true, $1)",
        NOW,
    )
    later = NOW + timedelta(minutes=5)
    await place_hold(connection, "ada", "c1", amount_micros=180_000, expires_at=later, now=NOW)
    await place_hold(connection, "client-00000", "c2", amount_micros=0, expires_at=later, now=NOW)
    await connection.execute(USE, NOW)
    await connection.execute(GRANT_AND_INVOICE, NOW)
    await connection.execute(
        "UPDATE ledger.pools SET wallet_ms = 60000, billable_ms = 0, entry_count = entry_count + 2"
    )
    await connection.execute(CLOSE_PERIOD, NOW)
    await connection.execute(ASK_FOR_USAGE, NOW)


USE = """
    SELECT ledger.post_usage_v1('{ada}', '{sip}', '{e1}', '{call.ended}', '{c0}', '{x}', ARRAY[$1::timestamptz],
        ARRAY[$1::timestamptz],
        ARRAY['{}'::json], '{NULL}', '{NULL}', '{posted}', '{1}', '{NULL}', '{f}', '{c0}', '{t}', '{-180000}', '{call}',
        '{a call}', '{call}', '{c0}', ARRAY['{"components": [{"amount_usd": "0.18"}]}'::json], 'revenue', $1::timestamptz)
"""
GRANT_AND_INVOICE = """
    INSERT INTO ledger.pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, created_at)
    SELECT account_id, entry_count + place, pool, ms, after_ms, reason, $1 FROM ledger.pools,
           (VALUES (1, 'wallet', 60000, 60000, 'granted'), (2, 'billable', -90000, 0, 'invoiced'))
           AS moved (place, pool, ms, after_ms, reason)
"""
CLOSE_PERIOD = """
    WITH canceled AS (
        UPDATE subscriptions.subscriptions SET status = 'canceled', canceled_at = $1, next_at = NULL RETURNING account_id
    ), closed AS (
        UPDATE subscriptions.periods SET closed_at = $1, billable_ms = 90000
    ), unplanned AS (
        UPDATE subscriptions.clients SET plan_id = NULL
    ), refused AS (
        UPDATE ledger.accounts SET access_refusal = NULL WHERE account_id = 'client-00000'
    )
    , stopped AS (
        UPDATE ledger.plan_windows SET stopped_at = counts_from
    )
    UPDATE ledger.pools SET subscription_id = NULL
"""
ASK_FOR_USAGE = """
    INSERT INTO subscriptions.payment_requests (request_id, account_id, agency_id, subscription_id, period_number, type,
        kind, status, currency, amount_cents, line_items, created_at, due_at, grace_until)
    SELECT 'preq_usage', 'client-00000', 'agency', subscription_id, 1, 'cycle', 'usage', 'pending', 'USD', cents,
           jsonb_build_array(jsonb_build_object('amount_cents', cents)), $1, $1, $1
    FROM subscriptions.subscriptions,
         LATERAL (SELECT round(90000 * (terms ->> 'minute_rate_usd')::numeric * 100 / 60000)::bigint AS cents) AS due
"""


async def test_what_is_in_every_table_is_right(books: asyncpg.Connection, database_url: str) -> None:
    assert (await audit_books(database_url)).findings == ()


@pytest.mark.parametrize("column", PLANTED)
async def test_an_error_of_one_is_found_and_its_row_named(
    books: asyncpg.Connection, database_url: str, column: str
) -> None:
    """Contract §9, 1 to 4, and design §2: the audit alone reads all schemas."""
    table, name = column.rsplit(".", 1)
    changed = await books.execute(f"UPDATE {table} SET {name} = {name} + 1")
    assert changed != "UPDATE 0"
    findings = (await audit_books(database_url)).findings
    assert any(PLANTED[column] in finding.subject for finding in findings), findings


async def test_every_column_of_money_or_minutes_is_planted_or_excused(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        "SELECT table_schema || '.' || table_name || '.' || column_name AS place FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = ANY ($1) AND table_type = 'BASE TABLE' AND data_type IN ('bigint', 'integer', 'numeric')"
        " AND column_name ~ $2",
        list(ORDER),
        HOLDING,
    )
    await connection.close()
    assert {row["place"] for row in rows} == PLANTED.keys() | TERMS.keys()
