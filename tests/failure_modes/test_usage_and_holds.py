"""Failure modes of usage and holds: rows 9, 10, 12, 14, 17, 22, 23 (docs/failure-modes.md)."""

import asyncio
from pathlib import Path

import asyncpg
import orjson

from tests.failure_modes.conftest import House
from tests.services.ledger.steps import until
from tests.usage import call_ended, envelope

MINUTE = 180_000
"""Voice and telephony of the default price book, in micros."""
FAILS_TWICE = """
    CREATE SEQUENCE public.failures;
    GRANT USAGE ON SEQUENCE public.failures TO PUBLIC;
    CREATE FUNCTION public.fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('public.failures') <= 2 THEN
            RAISE EXCEPTION 'the disk is gone' USING ERRCODE = '57P01';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER fail_twice BEFORE INSERT ON ledger.transfers
        FOR EACH ROW WHEN (NEW.kind = 'debit') EXECUTE FUNCTION public.fail_twice();
"""


async def test_fm09_an_overrun_is_charged_once_and_a_stuck_call_drains_nobody(house: House) -> None:
    """«Usage beyond the hold is charged in full, marked `overrun`, and may go negative»; a hold alone takes nothing."""
    await house.account(cents=36)
    granted = await house.check("overrun", seconds=600)
    assert (granted.json()["granted_seconds"], granted.json()["final"]) == (120, True)
    overrun = call_ended("acme", "overrun", 121)
    await house.tell(overrun)
    await house.has_billed(1)
    await house.tell(overrun, overrun)
    assert await house.balance() == 360_000 - 3 * MINUTE
    await house.account("stuck", cents=100)
    assert (await house.check("stuck", account_id="stuck", seconds=300)).status_code == 200
    await house.advance(86_400)
    assert (await house.check("next", account_id="stuck", seconds=300)).json()["granted_seconds"] == 300
    assert await house.balance("stuck") == 1_000_000
    (debit,) = await house.debits()
    assert orjson.loads(debit["metadata"])["overrun"] is True


async def test_fm10_who_has_paid_is_let_through_and_no_slice_outlives_the_money(house: House) -> None:
    """«402 and 5xx are never replayed»: the same call asks again after a top-up. Each slice is money set aside."""
    await house.account(cents=0)
    assert (await house.check("again")).status_code == 402
    await house.http.post("/v1/accounts/acme/adjustments", json={"amount_cents": 36, "description": "paid"})
    assert (await house.check("again")).status_code == 200
    more = await house.http.post("/v1/checks/call/again/extend", json={"account_id": "acme", "seconds": 3_600})
    assert (more.json()["granted_seconds"], more.json()["final"]) == (120, True)
    no_more = await house.http.post("/v1/checks/call/again/extend", json={"account_id": "acme", "seconds": 3_600})
    assert no_more.status_code == 402


async def test_fm12_usage_whose_write_failed_is_billed_once_when_it_comes_again(house: House) -> None:
    """That it was seen and that it was billed are one commit: a failed write leaves neither."""
    await house.account()
    await house.books.execute(FAILS_TWICE)
    event = call_ended("acme", "c1", 60)
    await house.tell(event)
    await house.has_billed(1)
    await house.tell(event, event)
    assert await house.books.fetchval("SELECT last_value FROM public.failures") >= 3
    assert await house.balance() == 10_000_000 - MINUTE
    assert await house.books.fetchval("SELECT count(*) FROM ledger.usage_events WHERE ref_id = 'c1'") == 1


async def test_fm14_a_call_whose_end_was_lost_shows_as_orphaned_and_late_usage_charges(house: House) -> None:
    """«An expired hold frees the money and shows as `orphaned` until usage comes; late usage still charges»."""
    await house.account(cents=36)
    assert (await house.check("lost", seconds=60)).status_code == 200
    await house.advance(60 + 120 + 1)
    assert (await _state(house, "lost"))["state"] == "orphaned"
    assert (await house.check("other", seconds=120)).json()["granted_seconds"] == 120
    await house.tell(call_ended("acme", "lost", 60))
    await house.has_billed(1)
    assert (await _state(house, "lost"))["state"] == "billed"
    assert await house.balance() == 360_000 - MINUTE


async def _state(house: House, call_id: str) -> dict[str, object]:
    shown: dict[str, object] = (await house.http.get(f"/v1/checks/call/{call_id}?account_id=acme")).json()
    return shown


async def test_fm17_what_is_decided_under_a_lock_is_read_after_it_was_taken(house: House, database_url: str) -> None:
    """A check waits for an account whose number is being suspended: it sees the suspension that it waited for."""
    await house.account()
    rented = {"account_id": "acme", "number_id": "n1", "number": "+15550100", "at": house.hosted.host.clock.now()}
    await house.tell(envelope("number.rented", {**rented, "at": rented["at"].isoformat()}))  # type: ignore[attr-defined]
    await until(lambda: house.books.fetchval("SELECT count(*) FROM ledger.numbers"))
    other = await asyncpg.connect(database_url)
    for attempt in range(20):
        await other.execute("UPDATE ledger.numbers SET suspended_by_hand = false")
        writing = other.transaction()
        await writing.start()
        await other.execute("SELECT FROM ledger.accounts WHERE account_id = 'acme' FOR UPDATE")
        await other.execute("UPDATE ledger.numbers SET suspended_by_hand = true")
        asked = asyncio.create_task(house.check(f"waits-{attempt}", number_id="n1"))
        waited = await _somebody_waits(house)
        await writing.commit()
        answer = await asked
        if waited:
            break
    await other.close()
    assert answer.status_code == 402, answer.text
    assert answer.json()["error"]["code"] == "number_suspended"


async def _somebody_waits(house: House) -> bool:
    """Whether the check came to the lock, and not to the end of its patience."""
    for _ in range(30):
        if await house.books.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_fm22_a_killed_edge_keeps_no_money_and_no_re_invite_extends_a_grant(house: House) -> None:
    """Thirty authorizations whose edge died: all expire. `seconds` is the total wanted: asked again, nothing is added."""
    await house.account(cents=540)
    for number in range(30):
        assert (await house.check(f"edge-{number}")).status_code == 200
    assert (await house.check("one-more")).status_code == 402
    for _ in range(3):
        same = await house.http.post("/v1/checks/call/edge-1/extend", json={"account_id": "acme", "seconds": 60})
        assert same.json()["granted_seconds"] == 60
    await house.advance(60 + 120 + 1)
    assert (await house.check("after", seconds=1_800)).json()["granted_seconds"] == 1_800
    kamailio = Path(__file__).parents[2] / "examples" / "kamailio" / "kamailio.cfg"
    assert 'modparam("dialog", "timeout_noreset", 1)' in kamailio.read_text(encoding="utf-8")


async def test_fm23_an_interim_report_and_a_second_final_one_charge_nothing(house: House) -> None:
    """One call, one charge: of whatever source and id, and whatever a switch calls its reports."""
    await house.account()
    await house.tell(call_ended("acme", "c1", 60))
    await house.has_billed(1)
    again = {**call_ended("acme", "c1", 120), "source": "another-edge"}
    interim = {**call_ended("acme", "c1", 30), "type": "call.interim"}
    refused = await house.http.post("/v1/usage", json=[interim])
    assert refused.status_code == 422
    await house.tell(again)
    broker = house.hosted.host.broker
    await until(lambda: broker.depth("ledger.charge_usage.dead"))
    assert len(await house.debits()) == 1
    assert await house.balance() == 10_000_000 - MINUTE
