"""What LiveKit, Vapi and Jasmin report, as the examples turn it into usage; and that Ringfence bills it.

The payloads have the shapes these platforms send; docs/integrations says where each field comes from.
"""

import asyncio
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from examples import livekit_usage, vapi_gate, vapi_usage
from examples.jasmin import dlr
from examples.kamailio import send_cdrs
from tests.integrations.conftest import System, until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAYLOADS = EXAMPLES / "payloads"
INTERCEPTOR = compile((EXAMPLES / "jasmin" / "interceptor.py").read_text(), "interceptor.py", "exec")
A_MINUTE_OF_EVERYTHING_CENTS = 18


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded


async def run(example: str, *arguments: str, stdin: str = "", **environment: str) -> Any:
    """An example as a script: what it printed, from JSON."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLES / example), *arguments),
        env=os.environ | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed = (await process.communicate((PAYLOADS / f"{stdin}.json").read_bytes() if stdin else None))[0]
    assert process.returncode == 0
    return json.loads(printed)


def test_a_call_that_livekit_let_in_was_answered_when_it_joined() -> None:
    event = livekit_usage.call_ended(payload("livekit_inbound"))
    assert event is not None
    assert (event["id"], event["type"]) == ("SCL_8KxGdHcGuvR2-ended", "call.ended")
    assert event["data"] == {
        "account_id": "ada",
        "call_id": "SCL_8KxGdHcGuvR2",
        "direction": "inbound",
        "from": "+493012345",
        "to": "+15550100",
        "status": "completed",
        "started_at": 1737736192.64,
        "answered_at": 1737736192.64,
        "ended_at": 1737736283.0,
        "duration_seconds": 91,
    }


def test_ringing_is_not_talk_in_a_call_that_livekit_placed() -> None:
    webhook = payload("livekit_outbound_busy")
    busy = livekit_usage.call_ended(webhook)
    assert busy is not None
    assert (busy["data"]["status"], busy["data"]["duration_seconds"]) == ("busy", 0)
    assert (busy["data"]["from"], busy["data"]["to"]) == ("+15550100", "+493012345")
    assert busy["data"]["call_id"] == "livekit-call-2"
    webhook["participant"]["attributes"]["ringfence.answered_at"] = "1737736198.2"
    talked = livekit_usage.call_ended(webhook)
    assert talked is not None
    assert (talked["data"]["status"], talked["data"]["duration_seconds"]) == ("completed", 3)


@pytest.mark.parametrize(
    "change", [{"event": "participant_joined"}, {"participant": {"kind": "AGENT"}}, {"event": "room_finished"}]
)
def test_what_ends_no_telephone_call_is_no_usage(change: dict[str, Any]) -> None:
    assert livekit_usage.call_ended(payload("livekit_inbound") | change) is None


def test_a_report_of_vapi_is_a_call() -> None:
    event = vapi_usage.call_ended(payload("vapi_end_of_call_report"))
    assert event is not None
    assert event["id"] == "019ab0e0-3c0e-7bb4-9c3b-0f6c62c55b7e-ended"
    assert event["data"] == {
        "account_id": "ada",
        "call_id": "019ab0e0-3c0e-7bb4-9c3b-0f6c62c55b7e",
        "direction": "inbound",
        "from": "+493012345",
        "to": "+15550100",
        "status": "completed",
        "started_at": "2025-01-24T16:29:52.640Z",
        "answered_at": "2025-01-24T16:29:52.640Z",
        "ended_at": "2025-01-24T16:31:22.111Z",
        "duration_seconds": 90,
    }


def test_whom_vapi_did_not_reach_is_not_billed() -> None:
    report = payload("vapi_end_of_call_report")
    report["message"] |= {"endedReason": "customer-did-not-answer", "startedAt": None, "endedAt": None}
    report["message"]["call"]["type"] = "outboundPhoneCall"
    event = vapi_usage.call_ended(report)
    assert event is not None
    assert (event["data"]["status"], event["data"]["duration_seconds"]) == ("no_answer", 0)
    assert (event["data"]["from"], event["data"]["to"]) == ("+15550100", "+493012345")
    report["message"]["call"]["type"] = "webCall"
    with pytest.raises(ValueError, match="no numbers"):
        vapi_usage.call_ended(report)
    assert vapi_usage.call_ended(payload("vapi_assistant_request")) is None


def test_anything_but_a_yes_is_a_no_to_vapi() -> None:
    for status in (402, 404, 409, 429, 500, 503):
        assert vapi_gate.answer(status, {}, "ada", "assistant") == {"error": vapi_gate.REFUSED}


def report(status: str, **changes: str) -> dict[str, str]:
    ours = {"account_id": "ada", "message_id": "m1", "from": "Shop", "to": "493012345", "segments": "2"}
    theirs = {"id": "5f0b", "level": "1", "message_status": status, "connector": "carrier"}
    return ours | theirs | changes


def test_a_message_is_billed_when_the_carrier_took_it_and_free_when_it_did_not() -> None:
    told = dlr.tell_ringfence(report("ESME_ROK"))
    assert told is not None
    path, event = told
    assert (path, event["id"], event["type"]) == ("/v1/usage", "m1-sent", "sms.sent")
    assert event["data"]["segments"] == 2
    assert dlr.tell_ringfence(report("ESME_RINVDSTADR")) == ("/v1/checks/sms/m1/release", {"account_id": "ada"})
    assert dlr.tell_ringfence(report("DELIVRD", level="2")) is None


async def test_ringfence_bills_what_the_examples_print(system: System) -> None:
    """LiveKit 91 s, Vapi 90 s: two minutes begun each; nobody reached: nothing; an SMS of two segments."""
    opened = await system.client.post("/v1/accounts", json={"id": "ada", "name": "Ada", "inbound_policy": "allow"})
    assert opened.status_code == 201
    allowed = await run("vapi_gate.py", "ada", "assistant-7", stdin="vapi_assistant_request", **system.environment)
    assert allowed == {
        "assistantId": "assistant-7",
        "assistantOverrides": {"maxDurationSeconds": 1800, "metadata": {"ringfence_account_id": "ada"}},
    }
    path, sms = await run("jasmin/dlr.py", "https://platform.example/dlr?" + urlencode(report("ESME_ROK")))
    events = [
        await run("livekit_usage.py", stdin="livekit_inbound"),
        await run("livekit_usage.py", stdin="livekit_outbound_busy"),
        await run("vapi_usage.py", stdin="vapi_end_of_call_report"),
        sms,
    ]
    for _ in range(2):  # each platform may report again
        answer = await system.client.post(path, json=events)
        assert answer.json() == {"accepted": 4, "rejected": []}
    minutes = 2 + 2
    expected = 1000 - minutes * A_MINUTE_OF_EVERYTHING_CENTS - 2
    await until(lambda: system.balance_cents("ada"), lambda cents: cents == expected)
    await until(lambda: system.holds("ada"), lambda holds: [hold["state"] for hold in holds] == ["billed"])
    refused = await run("vapi_gate.py", "nobody", "assistant-7", stdin="vapi_assistant_request", **system.environment)
    assert refused == {"error": vapi_gate.REFUSED}


@pytest.fixture
def scripts_environment(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What scripts that run inside this process read: where Ringfence is, and a spool of their own."""
    for name, value in {**system.environment, "RINGFENCE_SPOOL": str(tmp_path / "spool.db")}.items():
        monkeypatch.setenv(name, value)


def intercept(user: str, parts: int) -> tuple[int | None, int | None]:
    """As interceptord runs the script: the statuses it leaves."""
    pdu = SimpleNamespace(params={"source_addr": b"Shop", "destination_addr": b"493012345"})
    for _ in range(parts - 1):
        pdu = SimpleNamespace(params=pdu.params, nextPdu=pdu)
    routable = SimpleNamespace(pdu=pdu, user=SimpleNamespace(uid=user))
    given: dict[str, Any] = {"routable": routable, "smpp_status": None, "http_status": None, "extra": {}}
    eval(INTERCEPTOR, given)
    return given["smpp_status"], given["http_status"]


@pytest.mark.usefixtures("scripts_environment")
async def test_jasmin_sends_what_can_be_paid_and_ringfence_bills_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await system.open_account("shop", cents=3)
    with closing(send_cdrs.spool()) as db:
        passed = await asyncio.to_thread(intercept, "shop", 2)
        too_long = await asyncio.to_thread(intercept, "shop", 2)
        assert (passed, too_long) == ((None, None), (69, 402))
        assert await asyncio.to_thread(intercept, "nobody", 1) == (69, 404)
        assert [path for _, path, _ in db.execute("SELECT * FROM waiting")] == ["/v1/usage"]
    await asyncio.to_thread(send_all_of_the_spool)
    await until(lambda: system.balance_cents("shop"), lambda cents: cents == 1)
    monkeypatch.setenv("RINGFENCE_HTTP_URL", "http://127.0.0.1:9")
    assert await asyncio.to_thread(intercept, "shop", 1) == (88, 503)
    with closing(send_cdrs.spool()) as db:
        ((path,),) = db.execute("SELECT path FROM waiting").fetchall()
    assert path.startswith("/v1/checks/sms/")
    assert path.endswith("/release")


def send_all_of_the_spool() -> None:
    with closing(send_cdrs.spool()) as db:
        send_cdrs.send_all(db)
        assert db.execute("SELECT * FROM waiting").fetchall() == []


@pytest.mark.usefixtures("scripts_environment")
async def test_what_ringfence_will_never_take_is_set_aside_and_the_rest_goes_on(system: System) -> None:
    await system.open_account("late", cents=100)
    with closing(send_cdrs.spool()) as db:
        insert = "INSERT INTO waiting VALUES (?, ?, ?)"
        db.execute(insert, ("bad", "/v1/usage", "e30="))  # {}
        db.execute(insert, ("good", "/v1/checks/call/c1/release", "eyJhY2NvdW50X2lkIjogImxhdGUifQ=="))
    await asyncio.to_thread(send_all_of_the_spool)
    with closing(send_cdrs.spool()) as db:
        ((key, reason),) = db.execute("SELECT id, reason FROM refused").fetchall()
    assert key == "bad"
    assert reason.startswith("422 ")


@pytest.mark.usefixtures("scripts_environment")
async def test_with_a_wrong_key_everything_waits_until_it_is_mended(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    await system.open_account("mended", cents=100)
    with closing(send_cdrs.spool()) as db:
        db.execute("INSERT INTO waiting VALUES ('r', '/v1/checks/call/c1/release', 'eyJhY2NvdW50X2lkIjogIm1lbmRlZCJ9')")
        monkeypatch.setenv("RINGFENCE_PLATFORM_KEY", "rf_wrong")
    with pytest.raises(AssertionError):
        await asyncio.to_thread(send_all_of_the_spool)
    monkeypatch.setenv("RINGFENCE_PLATFORM_KEY", system.environment["RINGFENCE_PLATFORM_KEY"])
    await asyncio.to_thread(send_all_of_the_spool)
    answer = await system.client.get("/v1/checks/call/c1", params={"account_id": "mended"})
    assert answer.json()["state"] == "released"


@pytest.mark.usefixtures("scripts_environment")
async def test_a_spool_that_another_is_making_at_this_moment_does_not_end_the_sender() -> None:
    """SQLite does not wait for its turn where the journal's mode is changed: both start with the machine."""
    spool = os.environ["RINGFENCE_SPOOL"]
    with closing(sqlite3.connect(spool, isolation_level=None, check_same_thread=False)) as another:
        another.execute("BEGIN EXCLUSIVE")
        sender = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLES / "kamailio" / "send_cdrs.py"), stderr=asyncio.subprocess.PIPE
        )
        try:
            assert sender.stderr is not None
            assert await sender.stderr.readline() == b"the spool: database is locked\n"
            another.execute("ROLLBACK")
            await until(lambda: asyncio.to_thread(_tables, another), lambda tables: "refused" in tables)
            assert sender.returncode is None
        finally:
            sender.terminate()
            await sender.communicate()


def _tables(db: sqlite3.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
