"""The failure matrix (payments.md §4.8): ended at every step of a charge, found again, one charge and one credit.

Each case ends a real process at a named point, then does what the jobs of the next process do.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from deploy.local.servers import Servers
from deploy.local.stripe_standin.embedding import SECRET_KEY
from services.payments.charging import drive
from services.payments.inbox import work_off
from services.payments.refunds import TooMuch, begin_refund
from services.payments.store import Attempt
from services.payments.sweep import sweep
from services.payments.topups import TopUp, top_up
from shared.crash_points import EXIT_STATUS, VARIABLE
from shared.http_errors import ApiError
from tests.services.payments.light import Light, light_system, own_database

CHARGE_POINTS = (
    "charge_created",
    "charge_submitting",
    "charge_sent",
    "charge_crediting",
    "charge_credited",
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
async def light(servers: Servers, template_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Light]:
    async with (
        own_database(servers, "ringfence_payments_crashes") as url,
        light_system(url, tmp_path_factory.mktemp("stripe")) as running,
    ):
        yield running


@pytest.fixture
async def account(light: Light) -> AsyncIterator[str]:
    account_id = await light.open_account(f"crash-{next(_numbers)}")
    await light.save_card(account_id)
    yield account_id
    await light.sim.clear_faults()
    await light.recover()
    await light.prove()


async def crash(
    light: Light, scenario: str, account_id: str, point: str, *, exits: int = EXIT_STATUS, ahead_seconds: float = 0
) -> None:
    """Run the scenario in a process that ends at the point; its clock may be wrong."""
    offset = str(light.clock.offset.total_seconds() + ahead_seconds)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.services.payments.crashing",
        light.database_url,
        offset,
        scenario,
        account_id,
        env={**os.environ, VARIABLE: point},
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode == exits, (out + error).decode()[-3_000:]


@pytest.mark.parametrize("webhooks", ["arrive", "are lost"])
@pytest.mark.parametrize("point", [*CHARGE_POINTS, "charge_answering"])
async def test_a_top_up_that_crashed_is_charged_and_credited_once(
    light: Light, account: str, point: str, webhooks: str
) -> None:
    """Issue: "Crash the service at every await of a charge …: after recovery charges = credits"."""
    if webhooks == "are lost":
        await light.sim.webhook_fault("drop")
    await crash(light, "top_up", account, point)
    await light.recover()
    assert await light.balance(account) == 2_000
    answer = await top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    assert answer.body["status"] == "succeeded"
    assert await light.balance(account) == 2_000
    assert await _charges(light, account) == 1


@pytest.mark.parametrize("point", CHARGE_POINTS)
async def test_fm01_an_automatic_charge_that_crashed_is_made_once(light: Light, account: str, point: str) -> None:
    await light.admin.execute(
        "UPDATE payments.profiles SET reload_enabled = true, reload_minimum_cents = 1000, reload_amount_cents = 3000"
        " WHERE account_id = $1",
        account,
    )
    await crash(light, "reload", account, point)
    await light.consider(account)
    await light.recover()
    await light.consider(account)
    assert await light.balance(account) == 3_000
    assert await _charges(light, account) == 1


@pytest.mark.parametrize("point", ["event_stored", "charge_crediting", "charge_credited", "event_applied"])
async def test_a_crash_while_an_event_is_worked_off_has_one_effect(light: Light, account: str, point: str) -> None:
    """payments.md §4.8: "crash after inbox insert / after effect / before `processed`" → 1 effect."""
    wanted = TopUp(account, "POST /v1/billing/top-up", 2_000, "pm_card_authenticationRequired", "key")
    waiting = await top_up(light.context, wanted, is_gone=_here)
    await light.sim.authenticate(waiting.body["payment_intent_id"])
    # No process here reaches event_stored: it is the webhook's, and the pull stores as it does.
    await crash(light, "events", account, point, exits=0 if point == "event_stored" else EXIT_STATUS)
    await light.recover()
    assert await light.balance(account) == 2_000


async def test_a_crash_while_a_refund_of_the_dashboard_is_mirrored_loses_nothing(light: Light, account: str) -> None:
    """The inbox row is marked after the effect: nothing but the inbox remembers this refund."""
    request = TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key")
    paid = await top_up(light.context, request, is_gone=_here)
    await light.recover()
    form = {"payment_intent": paid.body["payment_intent_id"], "amount": 900}
    await light.sim._http.post("/v1/refunds", data=form, headers={"Authorization": f"Bearer {SECRET_KEY}"})
    await crash(light, "events", account, "refund_crediting")
    await light.recover()
    assert await light.balance(account) == 1_100


@pytest.mark.parametrize("point", ["refund_created", "refund_sent", "refund_crediting"])
async def test_a_refund_that_crashed_is_made_once(light: Light, account: str, point: str) -> None:
    await top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    async with light.context.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow("SELECT * FROM payments.attempts WHERE account_id = $1", account)
        assert row is not None
        attempt = Attempt.of(row)
        begun = await begin_refund(
            connection, attempt, 700, reason="x", key=None, request_hash=None, now=light.clock.now()
        )
        assert not isinstance(begun, TooMuch)
    await light.sim.webhook_fault("drop")
    await crash(light, "refund", account, point)
    await light.recover()
    assert await light.balance(account) == 1_300
    assert [r["amount"] for r in await light.sim.objects("refund")].count(700) >= 1


@pytest.mark.parametrize("point", ["charge_created", "charge_submitting", "charge_sent", "charge_crediting"])
async def test_a_charge_left_by_a_clock_that_was_set_back_since_does_not_wait_for_it(
    light: Light, account: str, point: str
) -> None:
    """A lease, or a time to look again, that lies further ahead than it can have been put is none."""
    await light.sim.webhook_fault("drop")
    await crash(light, "top_up", account, point, ahead_seconds=3_600)
    await sweep(light.context)
    await light.context.finish()
    assert await light.balance(account) == 2_000
    assert await _charges(light, account) == 1
    answer = await top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    assert answer.body["status"] == "succeeded"


async def test_an_unclear_charge_is_looked_at_again_when_the_clock_was_set_back(light: Light, account: str) -> None:
    await light.sim.webhook_fault("drop")
    await light.sim.fault("^/v1/payment_intents$", method="POST", when="after", action="reset", times=2)
    with suppress(ApiError):
        await top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    await light.sim.clear_faults()
    moved = await light.admin.execute(
        "UPDATE payments.attempts SET next_check_at = next_check_at + interval '1 hour' WHERE account_id = $1"
        " AND state = 'unknown'",
        account,
    )
    assert moved == "UPDATE 1"
    light.advance(20)
    await sweep(light.context)
    assert await light.balance(account) == 2_000


async def test_an_event_claimed_by_a_clock_that_was_set_back_since_is_worked_off(light: Light, account: str) -> None:
    wanted = TopUp(account, "POST /v1/billing/top-up", 2_000, "pm_card_authenticationRequired", "key")
    waiting = await top_up(light.context, wanted, is_gone=_here)
    await light.sim.authenticate(waiting.body["payment_intent_id"])
    await crash(light, "events", account, "charge_crediting", ahead_seconds=3_600)
    await work_off(light.context)
    assert await light.balance(account) == 2_000


@pytest.mark.parametrize("point", ["refund_created", "refund_sent"])
async def test_a_refund_left_by_a_clock_that_was_set_back_since_does_not_wait_for_it(
    light: Light, account: str, point: str
) -> None:
    await top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    async with light.context.pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow("SELECT * FROM payments.attempts WHERE account_id = $1", account)
        assert row is not None
        ahead = light.clock.now() + timedelta(hours=1)
        await begin_refund(connection, Attempt.of(row), 700, reason="x", key=None, request_hash=None, now=ahead)
    await light.sim.webhook_fault("drop")
    await crash(light, "refund", account, point, ahead_seconds=3_600)
    await sweep(light.context)
    state = await light.admin.fetchval("SELECT state FROM payments.refunds WHERE account_id = $1", account)
    assert state == "refunded"
    assert await light.balance(account) == 1_300


@pytest.mark.parametrize(
    "fault",
    [
        {"when": "before", "action": "reset"},
        {"when": "after", "action": "reset"},
        {"when": "after", "action": "truncate"},
        {"when": "after", "action": "html", "status": 502},
        {"when": "after", "action": "html", "status": 200},
        {"when": "before", "action": "status", "status": 429},
        {"when": "before", "action": "status", "status": 401},
        {"when": "during", "action": "status", "status": 409},
        {"when": "store500", "action": "status"},
        {"when": "store500", "action": "status", "keep_effect": True},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_fm07_an_answer_that_is_none_is_resolved_by_the_key(
    light: Light, account: str, fault: dict[str, object]
) -> None:
    """payments.md §4.8: "call sent, answer lost"; "answer is a stored 500" → 0 or 1 charge, never 2."""
    await light.sim.webhook_fault("drop")
    await light.sim.fault("^/v1/payment_intents$", method="POST", times=2, **fault)  # type: ignore[arg-type]
    request = TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key")
    with suppress(ApiError):
        await top_up(light.context, request, is_gone=_here)
    await light.sim.clear_faults()
    await light.recover()
    light.advance(25 * 3600)
    await light.recover()
    charges = await _charges(light, account)
    assert charges <= 1
    assert await light.balance(account) == 2_000 * charges
    if fault["when"] != "store500":
        assert charges == 1
    state = await light.admin.fetchval("SELECT state FROM payments.attempts WHERE account_id = $1", account)
    assert state == ("succeeded" if charges else "canceled")


async def test_an_outage_that_outlives_the_key_charges_at_most_once(light: Light, account: str) -> None:
    """payments.md §4.8: "outage longer than the key lives → list by metadata only, no re-send"."""
    await light.sim.webhook_fault("drop")
    await light.sim.fault("^/v1/payment_intents$", method="POST", when="after", action="reset", times=2)
    with pytest.raises(ApiError):
        await top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    await light.sim.fault(".", action="status", status=503, times=None)
    await light.recover_nothing(30 * 3600)
    await light.sim.clear_faults()
    await light.sim.expire_idempotency()
    light.advance(3_700)
    await sweep(light.context)
    assert await _charges(light, account) == 1
    assert await light.balance(account) == 2_000


async def test_two_that_drive_one_attempt_send_it_once(light: Light, account: str) -> None:
    """The lease: a sweep and a request that meet don't send beside each other."""
    await light.sim.fault("^/v1/payment_intents$", method="POST", action="latency", seconds=0.5)
    running = asyncio.create_task(
        top_up(light.context, TopUp(account, "POST /v1/billing/top-up", 2_000, None, "key"), is_gone=_here)
    )
    await asyncio.sleep(0.25)
    attempt_id = await light.admin.fetchval("SELECT attempt_id FROM payments.attempts WHERE account_id = $1", account)
    assert (await drive(light.context, attempt_id)).state == "submitting"
    await running
    assert (await drive(light.context, attempt_id)).state == "succeeded"
    assert await light.admin.fetchval("SELECT sends FROM payments.attempts WHERE account_id = $1", account) == 1


async def test_a_database_restored_from_a_backup_gets_its_credits_back(light: Light, account: str) -> None:
    """payments.md §4.8: "database restored from backup | rows missing | metadata rebuild"."""
    await light.sim.webhook_fault("drop")
    await crash(light, "top_up", account, "charge_sent")
    await light.admin.execute("DELETE FROM payments.attempts WHERE account_id = $1", account)
    await light.recover()
    assert await light.balance(account) == 2_000


async def _here() -> bool:
    return False


async def _charges(light: Light, account_id: str) -> int:
    made = await light.sim.objects("payment_intent")
    return sum(i["status"] == "succeeded" and i["metadata"].get("org") == account_id for i in made)
