"""The operators' page: what is counted on it, how old things are, and which letters an action takes."""

import asyncio
import os
import re
from datetime import UTC, datetime, timedelta

import httpx
import orjson
import pytest

from deploy.local.stripe_standin.control_client import Sim
from services.portal.operations import tiles
from services.portal.queues import Lane, WorkQueue, age_of, dead_letters
from services.portal.words import age, billed, period, price
from shared.clock import MovableClock, SystemClock
from shared.messaging.dead_letters import TWIN, Letter
from shared.messaging.messages import REASON_HEADER, Incoming, Message
from shared.messaging.topology import USAGE, dead_queue
from tests.services.portal.conftest import WithKey, World

QUEUE = "ledger.charge_usage"
PATH = f"/ops/dead/{QUEUE}"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING = {"charges": 0, "holds": 0, "held_micros": 0, "rejections": 0}


async def park(world: World, *notes: str, type: str = "sms.exploded") -> None:
    """So many events that nobody can bill, told over the broker; returns when they are dead."""
    before = await world.hosted.host.broker.depth(dead_queue(QUEUE)) or 0
    for note in notes:
        event = {"specversion": "1.0", "id": note, "source": "test", "type": type, "data": {"account_id": "nobody"}}
        await world.hosted.host.broker.publish(Message(USAGE, "usage", orjson.dumps(event)))
    await depth_is(world, before + len(notes))


async def depth_is(world: World, count: int) -> None:
    async with asyncio.timeout(20):
        while (await world.hosted.host.broker.depth(dead_queue(QUEUE)) or 0) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.03)


async def test_only_the_chosen_letters_are_taken(world: World) -> None:
    await park(world, "one", "two", "three", "four")
    broker = world.hosted.host.broker
    marks = {letter.id: letter.mark for letter in (await dead_letters(broker, QUEUE)).shown}
    assert len(set(marks.values())) == 4
    operator = await world.browser(await world.ops_link())
    form = {"csrf": await world.csrf_token(operator), "reason": "why", "action": "discard"}
    done = await operator.post(PATH, data={**form, "letter": [marks["one"], marks["three"]]})
    assert done.headers["location"] == f"{PATH}?done=2&action=discard"
    # `only` is one letter's own button: what else is ticked stays.
    done = await operator.post(PATH, data={**form, "only": marks["two"], "letter": [marks["four"]]})
    assert done.headers["location"] == f"{PATH}?done=1&action=discard"
    left = await dead_letters(broker, QUEUE)
    assert ([letter.id for letter in left.shown], left.by_reason) == (["four"], {"unknown_type": 1})
    nobody_s = await operator.post(PATH, data={**form, "only": "no-such-mark"})
    assert nobody_s.headers["location"].startswith(f"{PATH}?done=0")
    none_chosen = await operator.post(PATH, data=form)
    assert none_chosen.status_code == 422
    log = (await operator.get("/ops")).text
    assert "discard 2 letters" in log
    assert log.count("Olga") >= 3


async def test_a_replayed_letter_that_is_still_wrong_comes_back_once(world: World) -> None:
    await park(world, "one", "two")
    operator = await world.browser(await world.ops_link())
    form = {"csrf": await world.csrf_token(operator), "reason": "why", "action": "replay", "all_of": "unknown_type"}
    assert "done=2" in (await operator.post(PATH, data=form)).headers["location"]
    await depth_is(world, 2)
    assert "2 letters replayed" in (await operator.get(f"{PATH}?done=2&action=replay")).text
    hostile = (await operator.get(f"{PATH}?done=<b>&action=<b>")).text
    assert "<b>" not in hostile


async def test_a_queue_tells_how_much_waits_and_since_when(world: World) -> None:
    """Issue: "queues with depth and age"."""
    operator = await world.browser(await world.ops_link())
    assert not re.search(r'aria-label="\d+ dead letters', (await operator.get("/ops")).text)
    await park(world, "one", "two", "three")
    page = (await operator.get("/ops")).text
    assert f'aria-label="3 dead letters of {QUEUE}"' in page
    assert re.search(r"oldest \d+ s", page)


async def test_charges_nobody_knows_the_end_of_are_listed_and_those_a_customer_must_confirm_are_not(
    world: World, with_key: WithKey
) -> None:
    """Issue: "stuck or unknown charges"."""
    asked, unknown = await world.account(), await world.account()
    clients = {}
    for account, card in ((asked, "pm_card_authenticationRequired"), (unknown, "pm_card_visa")):
        clients[account["id"]] = client = await with_key(account["api_key"])
        saved = await client.post("/v1/billing/default-payment-method", json={"payment_method_id": card})
        assert saved.status_code == 200, saved.text
    confirms = await clients[asked["id"]].post("/v1/billing/top-up", json={"amount_cents": 1_100})
    assert "client_secret" in confirms.text
    await world.advance(600)
    operator = await world.browser(await world.ops_link())
    assert "None: what became of every charge is known." in (await operator.get("/ops")).text
    async with httpx.AsyncClient(base_url=os.environ["RINGFENCE_STRIPE_API_URL"], timeout=30) as stripe:
        await Sim(stripe).webhook_fault("drop")
        await Sim(stripe).fault("^/v1/payment_intents$", when="after", action="status", status=502, times=20)
        await Sim(stripe).fault("^/v1/events$", when="before", action="status", status=502, times=20)
        lost = await clients[unknown["id"]].post("/v1/billing/top-up", json={"amount_cents": 2_200})
        assert lost.status_code == 502, lost.text
        page = (await operator.get("/ops")).text
    section = page[page.index('id="charges"') : page.index('id="holds"')]
    assert unknown["id"] in section
    assert "$22.00" in section
    assert "unknown" in section
    assert asked["id"] not in section


def test_a_letter_s_age_is_told_in_the_time_it_was_parked_in() -> None:
    """The broker stamps real time; a moved test clock must not make a fresh letter a month old."""
    clock = MovableClock()
    clock.move_to_offset(timedelta(days=30))
    now = SystemClock().now()
    parked = Letter(dead_queue(QUEUE), Incoming(b"{}", sent_at=int(now.timestamp()) - 90))
    told = orjson.dumps({"time": (now + timedelta(days=29)).isoformat()})
    assert timedelta(seconds=89) <= (age_of(parked, clock) or timedelta()) < timedelta(seconds=120)
    unparked = age_of(Letter(QUEUE, Incoming(told)), clock)
    assert unparked is not None
    assert timedelta(hours=23) < unparked < timedelta(hours=25)
    assert age_of(Letter(QUEUE, Incoming(b"not json")), clock) is None


def test_letters_that_differ_have_marks_that_differ() -> None:
    def letter(body: bytes, reason: str, message_id: str | None = None) -> str:
        return Letter("q.dead", Incoming(body, headers={REASON_HEADER: reason}, message_id=message_id)).mark

    assert letter(b"a", TWIN) == letter(b"a", TWIN)
    assert len({letter(b"a", TWIN), letter(b"b", TWIN), letter(b"a", "other"), letter(b"a", TWIN, "m1")}) == 4


@pytest.mark.parametrize(
    ("changes", "label", "figure", "note", "tone"),
    [
        ({}, "Books", "Clean", "3 h ago", "good"),
        ({"findings": [1, 2]}, "Books", "2 findings", "3 h ago", "bad"),
        ({"books": None}, "Books", "–", "not checked yet", "quiet"),
        ({}, "Dead letters", "0", "none", "good"),
        ({"dead": Lane(1_200, timedelta(days=2))}, "Dead letters", "1,200", "oldest 2 d", "bad"),
        ({"dead": Lane(1, None)}, "Dead letters", "1", "age unknown", "bad"),
        ({"ready": Lane(7, timedelta(minutes=3))}, "Waiting", "7", "oldest 3 min", "quiet"),
        ({"counts": {**NOTHING, "charges": 2}}, "Charges", "2", "stuck or unknown", "warn"),
        ({"counts": {**NOTHING, "holds": 3, "held_micros": 1_234_567}}, "Orphaned holds", "3", "$1.23 held", "warn"),
        ({"counts": {**NOTHING, "rejections": 9}}, "Refused", "9", "in the last hour", "quiet"),
        ({}, "Scheduler", "On time", "20 s ago", "good"),
        ({"ticked": timedelta(minutes=6)}, "Scheduler", "Late", "6 min ago", "bad"),
        ({"ticked": None}, "Scheduler", "–", "has not ticked yet", "warn"),
        ({"queues": None}, "Queues", "–", "RabbitMQ can’t be reached", "bad"),
    ],
)
def test_what_a_tile_says(changes: dict[str, object], label: str, figure: str, note: str, tone: str) -> None:
    empty = Lane(0, None)
    queue = WorkQueue(QUEUE, changes.get("ready", empty), empty, changes.get("dead", empty))  # type: ignore[arg-type]
    books = changes.get("books", {"checked_at": NOW - timedelta(hours=3)})
    ticked = changes.get("ticked", timedelta(seconds=20))
    ticks = [{"published_at": NOW - ticked}] if isinstance(ticked, timedelta) else []
    counts, findings = changes.get("counts", NOTHING), changes.get("findings", [])
    waiting = changes.get("queues", [queue])
    found = {tile.label: tile for tile in tiles(waiting, books, findings, counts, ticks, NOW)}  # type: ignore[arg-type]
    assert (found[label].figure, found[label].note, found[label].tone) == (figure, note, tone)


def test_words_of_ages_periods_and_prices() -> None:
    ages = [None, timedelta(seconds=-5), timedelta(seconds=59), timedelta(minutes=60), timedelta(days=1_500)]
    assert [age(passed) for passed in ages] == ["–", "0 s", "59 s", "1 h", "1,500 d"]
    assert period("2026-12-22T00:00:00Z", "2027-01-22T00:00:00Z") == "22 Dec 2026 – 22 Jan 2027"
    assert period("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z") == "1 Mar – 1 Apr 2026"
    assert [billed(1, "minute"), billed(1_100, "minute"), billed(3, "segments")] == [
        "1 minute", "1,100 minutes", "3 segments",
    ]  # fmt: skip
    assert [price("0.12", "usd"), price("0.5", "USDT")] == ["$0.12", "0.5 USDT"]
