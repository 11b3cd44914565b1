"""Ringfence behind a real Kamailio, called by real SIP phones (SIPp): the example of docs/integrations/sip-proxy.md.

Calls of a minute are made first and looked at last; all others are made meanwhile.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.processes import free_port
from deploy.local.servers import Servers
from tests.integrations.conftest import System, until
from tests.integrations.kamailio import Call, Switch

SLICE = ("--define", "SLICE_SECONDS=60")
TOGETHER = 20
ACCOUNTS = {
    "together": TOGETHER * 60,
    "funded": 1000,
    "empty": 0,
    "suspended": 1000,
    "patient": 1000,
    "minute": 60,
    "longer": 61,
    "outage": 1000,
}
NO_TALK_LATER_THAN_MS = 75_000
"""A re-INVITE after 20 s that began the granted minute anew would end the call after 80 s."""


@dataclass(frozen=True, slots=True)
class LongCalls:
    """On the line until the switch ends them, each with a re-INVITE on the way."""

    minute: "asyncio.Task[Call]"
    longer: "asyncio.Task[Call]"
    together: "asyncio.Task[Call]"


@pytest.fixture(scope="module")
async def switch(system: System, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Switch]:
    for account_id, cents in ACCOUNTS.items():
        await system.open_account(account_id, cents=cents)
    suspended = await system.client.post("/v1/accounts/suspended/suspend", json={"reason": "abuse"})
    assert suspended.status_code == 200
    folder = tmp_path_factory.mktemp("switch")
    switch = Switch(folder, system.environment, [*ACCOUNTS, "unheard_of"], *SLICE)
    await switch.start()
    yield switch
    await switch.stop()


@pytest.fixture(autouse=True)
async def traces(switch: Switch, system: System) -> AsyncIterator[None]:
    """Printed, which shows when a test fails: where a call that was not billed may be."""
    yield
    print(switch.left_behind())
    print("given up:", await system.given_up())


@pytest.fixture(scope="module", autouse=True)
async def long_calls(switch: Switch) -> AsyncIterator[LongCalls]:
    many = ("--sipp", "-m", str(TOGETHER), "-r", str(TOGETHER))
    calls = [
        switch.call("minute", 20, "--then", "stay"),
        switch.call("longer", 20, "--then", "stay"),
        switch.call("together", 20, "--then", "stay", *many),
    ]
    yield LongCalls(*calls)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_a_funded_call_is_billed_exactly_the_seconds_it_talked(system: System, switch: Switch) -> None:
    call = await switch.call("funded", 2.2)
    assert call.exit_code == 0
    (seconds,) = await system.billed_seconds("funded")
    # A second begun counts. The caller and the switch look at their own clocks, on a machine that may be busy.
    assert call.talked_ms - 500 <= seconds * 1000 < call.talked_ms + 3000
    assert (await system.debits("funded"))[0]["metadata"]["duration_seconds"] == seconds
    assert await system.balance_cents("funded") == 1000 - seconds
    (hold,) = await system.holds("funded")
    assert (hold["state"], hold["granted_seconds"]) == ("billed", 60)


@pytest.mark.parametrize(
    ("account_id", "answer", "code"),
    [
        ("empty", "402 Payment Required", "insufficient_balance"),
        ("suspended", "402 Payment Required", "account_suspended"),
        ("unheard_of", "403 Forbidden", ""),
    ],
)
async def test_who_may_not_call_is_refused_before_anything_rings(
    switch: Switch, account_id: str, answer: str, code: str
) -> None:
    call = await switch.call(account_id, 1)
    assert (call.exit_code, call.said) == (1, f"SIP/2.0 {answer} {code}".strip())


async def test_a_wrong_password_gets_no_further(switch: Switch, system: System) -> None:
    call = await switch.call("patient", 1, "--sipp", "-ap", "guessed")
    assert call.said == "SIP/2.0 407 Proxy Authentication Required"
    assert await system.holds("patient") == []


@pytest.mark.parametrize(
    ("to", "then", "answer"),
    [("+49301486", "hang_up", "486 Busy Here"), ("+49301180", "cancel", "487 Request Terminated")],
    ids=["busy", "canceled while it rang"],
)
async def test_a_call_that_came_to_nothing_frees_its_money_at_once(
    system: System, switch: Switch, to: str, then: str, answer: str
) -> None:
    call = await switch.call("patient", 1, "--to", to, "--then", then)
    assert call.said == f"SIP/2.0 {answer}"
    holds = await until(lambda: system.holds("patient"), lambda seen: seen != [] and seen[0]["state"] == "released")
    assert {hold["state"] for hold in holds} == {"released"}
    assert await system.debits("patient") == []


async def test_the_same_call_id_twice_is_two_calls_and_two_bills(system: System, switch: Switch) -> None:
    """Call-ID is the caller's to choose; one id for a day of calls must not be one call."""
    before = len(await system.debits("funded"))
    for _ in range(2):
        call = await switch.call("funded", 0.3, "--sipp", "-cid_str", "always-the-same")
        assert call.exit_code == 0
    await until(lambda: system.debits("funded"), lambda debits: len(debits) == before + 2)


async def test_a_cdr_waits_for_its_turn_at_the_spool(system: System, switch: Switch) -> None:
    """SQLite lets one write at a time, and Kamailio's module gives up at once: without trying again it would be lost."""
    before = len(await system.debits("funded"))
    with closing(sqlite3.connect(switch.folder / "spool.db", timeout=10, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        call = switch.call("funded", 0.3)
        await until(lambda: asyncio.to_thread(switch.log, "kamailio"), lambda log: "database is locked" in log)
        another.execute("ROLLBACK")
    assert (await call).exit_code == 0
    await until(lambda: system.debits("funded"), lambda debits: len(debits) == before + 1)


async def test_without_an_answer_of_ringfence_there_is_no_call(tmp_path: Path) -> None:
    """Fail closed. Whether the money was held nobody can know: its release waits in the spool."""
    nobody = {"RINGFENCE_HTTP_URL": f"http://127.0.0.1:{free_port()}", "RINGFENCE_PLATFORM_KEY": "rf_any"}
    lonely = Switch(tmp_path, nobody, ["ada"], *SLICE)
    await lonely.start()
    try:
        call = await lonely.call("ada", 1)
        assert (call.exit_code, call.said) == (1, "SIP/2.0 503 Service Unavailable 2")  # Retry-After
        ((path, body),) = lonely.spooled()
        assert path.endswith("/release")
        assert body == {"account_id": "ada"}
    finally:
        await lonely.stop()


async def test_fm31_no_cdr_is_lost_in_an_outage_nor_when_the_switch_is_killed(
    system: System, servers: Servers, tmp_path: Path
) -> None:
    """The broker is away, so usage is answered 503; the switch is killed with SIGKILL and comes back before it does."""
    switch = Switch(tmp_path, system.environment, ["outage"], *SLICE)
    await switch.start()
    try:
        await servers.kill_broker()
        calls = await asyncio.gather(*(switch.call("outage", 0.5) for _ in range(3)))
        assert [call.exit_code for call in calls] == [0, 0, 0]
        asked = "Ringfence is out of reach: 503"
        await until(lambda: asyncio.to_thread(switch.log, "sender"), lambda log: asked in log)
        await switch.kill()
        waiting = switch.spooled()
        assert [path for path, _ in waiting] == ["/v1/usage"] * 3
        await switch.start()
        assert switch.spooled() == waiting
        assert await system.debits("outage") == []
        await servers.start_broker()
        debits = await until(lambda: system.debits("outage"), lambda seen: len(seen) == 3)
        await until(lambda: asyncio.to_thread(switch.spooled), lambda left: left == [])
    finally:
        await servers.start_broker()
        await switch.stop()
    data = [body["data"] for _, body in waiting]
    assert sorted(d["call_id"] for d in debits) == sorted(d["call_id"] for d in data if isinstance(d, dict))
    assert switch.spooled("refused") == []
    assert await system.balance_cents("outage") == 1000 - sum(await system.billed_seconds("outage"))
    assert len(await system.debits("outage")) == 3


async def test_fm22_a_call_ends_at_the_granted_second_and_a_reinvite_does_not_extend_it(
    system: System, long_calls: LongCalls
) -> None:
    call = await long_calls.minute
    assert call.said.endswith("then cut off")
    assert call.talked_ms < NO_TALK_LATER_THAN_MS
    assert await system.billed_seconds("minute") == [60]
    assert await system.balance_cents("minute") == 0


async def test_fm31_calls_cut_in_the_same_second_are_all_billed(system: System, long_calls: LongCalls) -> None:
    """Kamailio may forget a call that it cuts before it says that the call ended."""
    assert (await long_calls.together).said.endswith("then cut off")
    assert await system.billed_seconds("together") == [60] * TOGETHER


async def test_a_hold_is_extended_during_the_call_as_far_as_the_money_goes(
    system: System, long_calls: LongCalls
) -> None:
    call = await long_calls.longer
    assert call.said.endswith("then cut off")
    assert await system.billed_seconds("longer") == [61]
    (hold,) = await system.holds("longer")
    assert (hold["state"], hold["granted_seconds"]) == ("billed", 61)
    assert await system.balance_cents("longer") == 0


async def test_after_all_this_the_books_are_right(system: System) -> None:
    assert await system.findings() == ()
