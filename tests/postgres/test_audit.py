"""The books check finds what is planted: one error per invariant, one micro where money is concerned."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from shared.postgres.audit import audit_books
from shared.postgres.migrations import SERVICES_FOLDER
from shared.postgres.queries import Queries
from tests.holds import place_hold

PLANTED = {
    "balances_form_an_unbroken_chain": "UPDATE ledger.transfers SET balance_after_micros = balance_after_micros + 1 WHERE seq = 1",
    "balance_is_the_sum_of_its_entries": "UPDATE ledger.accounts SET balance_micros = balance_micros + 1",
    "held_is_the_sum_of_open_holds": "UPDATE ledger.accounts SET held_micros = held_micros + 1",
    "usage_moves_money_at_most_once": """
        INSERT INTO ledger.usage_events (account_id, source, event_id, type, content_hash, state, occurred_at, stated_at,
            received_at, data, transfer_id)
        SELECT account_id, source, 'again', type, content_hash, state, occurred_at, stated_at, received_at, data,
               transfer_id FROM ledger.usage_events WHERE transfer_id IS NOT NULL""",
    "posted_usage_has_its_transfer": "UPDATE ledger.usage_events SET transfer_id = NULL WHERE type = 'call.ended'",
    "money_for_usage_has_its_event": "DELETE FROM ledger.usage_events WHERE type = 'call.ended'",
    "a_charge_is_the_sum_of_its_components": """
        UPDATE ledger.transfers SET metadata = jsonb_set(metadata::jsonb, '{components,0,amount_usd}', '"0.180001"')
        WHERE reason = 'call'""",
    "billed_holds_have_usage": "UPDATE ledger.holds SET ref_id = 'another' WHERE state = 'billed'",
    "used_calls_hold_nothing": "UPDATE ledger.holds SET state = 'open', closed_at = NULL WHERE state = 'billed'",
    "minutes_form_an_unbroken_chain": "UPDATE ledger.pool_transfers SET balance_after_ms = balance_after_ms + 1",
    "pools_are_the_sum_of_their_entries": "UPDATE ledger.pools SET wallet_ms = wallet_ms + 1",
    "late_minutes_are_those_of_stopped_plans": "UPDATE ledger.pools SET late_ms = late_ms + 1",
    "pools_are_those_of_the_plan_that_runs": """
        INSERT INTO ledger.plan_windows (subscription_id, account_id, counts_from, opened_after)
        VALUES ('sub_1', 'ada', now(), 0)""",
    "usage_is_counted_by_the_plan_that_ran": """
        UPDATE ledger.usage_events SET data = json_build_object('ended_at', extract(epoch FROM now()));
        INSERT INTO ledger.plan_windows (subscription_id, account_id, counts_from, stopped_at, opened_after)
        VALUES ('sub_1', 'ada', now() - interval '1 minute', now() + interval '1 minute', 0)""",
    "held_minutes_are_those_of_open_holds": "UPDATE ledger.pools SET held_ms = held_ms + 1",
    "events_are_numbered_without_gaps": "UPDATE ledger.accounts SET event_seq = event_seq + 1",
    "the_months_spend_is_the_sum_of_its_debits": "UPDATE ledger.accounts SET spend_micros = spend_micros + 1",
    "everything_belongs_to_an_account": "UPDATE ledger.holds SET account_id = 'nobody'",
}


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """One account, one call with its hold, one minute pool; and rights that nobody has in production."""
    connection = await asyncpg.connect(database_url)
    now = datetime.now(UTC)
    await connection.execute(
        "INSERT INTO ledger.accounts (account_id, name, created_at, low_balance_micros) VALUES ('ada', 'A', $1, 20000000)",
        now,
    )
    await connection.execute(
        "SELECT ledger.post_credit_v1('ada', 'credit', 'signup_credit', 10000000, 'promotions', 'signup:ada', 'gift',"
        " 'event', 'signup', '{}', $1)",
        now,
    )
    await place_hold(connection, "ada", "c1", amount_micros=180_000, expires_at=now, now=now)
    await connection.execute(
        "SELECT ledger.post_usage_v1('{ada}', '{sip}', '{e1}', '{call.ended}', '{c1}', '{x}', $1, $1, ARRAY['{}'::json],"
        " '{NULL}', '{NULL}', '{posted}', '{1}', '{NULL}', '{f}', '{c1}', '{t}', '{-180000}', '{call}', '{a call}',"
        """ '{call}', '{c1}', ARRAY['{"components": [{"amount_usd": "0.18"}]}'::json], 'revenue', $2)""",
        [now],
        now,
    )
    await connection.execute("INSERT INTO ledger.pools (account_id) VALUES ('ada')")
    await connection.execute(
        "INSERT INTO ledger.pool_transfers (account_id, seq, pool, amount_ms, balance_after_ms, reason, created_at)"
        " VALUES ('ada', 1, 'wallet', 60000, 60000, 'granted', $1)",
        now,
    )
    await connection.execute("UPDATE ledger.pools SET wallet_ms = 60000, entry_count = 1")
    for table in ("transfers", "pool_transfers", "accounts"):
        await connection.execute(f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER")
    yield connection
    await connection.close()


async def test_books_that_are_right_have_no_findings(books: asyncpg.Connection, database_url: str) -> None:
    assert (await audit_books(database_url)).findings == ()


@pytest.mark.parametrize("invariant", PLANTED)
async def test_a_planted_error_is_found_and_named(books: asyncpg.Connection, database_url: str, invariant: str) -> None:
    await books.execute(PLANTED[invariant])
    findings = (await audit_books(database_url)).findings
    assert invariant in {finding.invariant for finding in findings}
    assert all(finding.subject and finding.detail for finding in findings)


def test_every_invariant_of_the_ledger_has_an_error_planted() -> None:
    names = {name for name, _ in Queries.load(SERVICES_FOLDER / "ledger" / "invariants.sql").items()}
    assert names == set(PLANTED)


async def test_transfers_cannot_be_changed_or_deleted(database_url: str) -> None:
    """«append-only»: not even by the owner, unless the trigger is taken off first."""
    connection = await asyncpg.connect(database_url)
    for statement in (
        "UPDATE ledger.transfers SET amount_micros = 0",
        "DELETE FROM ledger.transfers",
        "TRUNCATE ledger.transfers",
    ):
        with pytest.raises(asyncpg.RaiseError):
            await connection.execute(statement)
    await connection.close()
