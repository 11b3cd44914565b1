"""`/metrics`: what an operator needs to see, from a running system, with what happens to it."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client.core import Metric

from shared.measures import Measures, gauge
from shared.messaging.messages import Message
from shared.messaging.topology import USAGE
from shared.runtime import Hosted
from tests.operations.scraping import Scrape, parse, scrape

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape reads anew: the tests look twice within the seconds for which a value counts as fresh."""
    monkeypatch.setattr("shared.measures.FRESH_SECONDS", 0.0)


async def until(url: str, holds: Callable[[Scrape], bool]) -> Scrape:
    async with asyncio.timeout(20):
        while not holds(found := await scrape(url)):  # noqa: ASYNC110 -- it looks at what is served
            await asyncio.sleep(0.1)
    return found


def usage(event_id: str, account_id: str = "acme", **changes: Any) -> dict[str, Any]:
    data = {
        "account_id": account_id,
        "call_id": event_id,
        "direction": "outbound",
        "from": "+15550100",
        "to": "+4930123456",
        "status": "completed",
        "started_at": 1_700_000_000,
        "answered_at": 1_700_000_000,
        "ended_at": 1_700_000_060,
        "duration_seconds": 60,
    }
    return {"specversion": "1.0", "id": event_id, "source": "sip", "type": "call.ended", "data": data | changes}


async def test_what_happens_is_counted(ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    """A check allowed, one refused, a call billed, an event given up, a hold left open: each shows where it belongs."""
    before = await scrape(ringfence.url)
    counted = before.samples

    def more(found: Scrape, name: str, **labels: str) -> float:
        return found.value(name, **labels) - counted.get((name, frozenset(labels.items())), 0.0)

    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme", "signup_credit_cents": 100})
    call = {"account_id": "acme", "direction": "outbound", "from": "+15550100", "to": "+4930123456"}
    assert (await platform.post("/v1/checks/call", json={**call, "call_id": "c1", "seconds": 60})).status_code == 200
    refused = await platform.post(
        "/v1/checks/call", json={**call, "account_id": "acme", "call_id": "c2", "seconds": 60}
    )
    assert refused.status_code == 200
    for number in range(3, 9):
        last = await platform.post("/v1/checks/call", json={**call, "call_id": f"c{number}", "seconds": 60})
    assert last.status_code == 402
    sent = await platform.post("/v1/usage", json=[usage("c1"), usage("c9", duration_seconds=60, account_id="acme")])
    assert sent.status_code == 202
    await ringfence.host.broker.publish(Message(USAGE, "usage", b"not JSON"))

    dead = {"queue": "ledger.charge_usage", "to": "dead", "reason": "invalid_event"}
    found = await until(
        ringfence.url,
        lambda now: (
            ("ringfence_messages_given_up_total", frozenset(dead.items())) in now.samples
            and more(now, "ringfence_messages_given_up_total", **dead) == 1
            and ("ringfence_events_published_total", frozenset({("type", "call_rejected_insufficient")})) in now.samples
            and more(now, "ringfence_events_published_total", type="balance_changed") >= 1
            and now.value("ringfence_outbox_events") == 0
            and now.value("ringfence_dead_letters", queue="ledger.charge_usage") == 1
        ),
    )
    assert more(found, "ringfence_gate_decisions_total", kind="call", outcome="check") >= 2
    assert more(found, "ringfence_gate_decisions_total", kind="call", outcome="insufficient_balance") >= 1
    assert more(found, "ringfence_gate_seconds_count") == 8
    assert more(found, "ringfence_messages_taken_total", queue="ledger.charge_usage") >= 2
    assert more(found, "ringfence_http_requests_total", method="POST", route="/v1/usage", status="202") == 1
    assert found.value("ringfence_holds_open") >= 1
    assert found.value("ringfence_consumer_lag_seconds", queue="ledger.charge_usage") == 0
    assert found.value("ringfence_payments_brake_held") == 0
    assert {found.value("ringfence_measured", source=name) for name in ("ledger", "payments", "broker")} == {1}


async def test_what_is_unfinished_shows_with_its_age(ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    """A hold past its time without usage is orphaned; a charge without an answer is unknown, and ages."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    check = {"account_id": "acme", "call_id": "c1", "direction": "outbound", "from": "+15550100", "to": "+4930123456"}
    await platform.post("/v1/checks/call", json=check)
    operator = await asyncpg.connect(ringfence.host.settings.postgres_url)
    await operator.execute(
        """INSERT INTO payments.attempts (attempt_id, account_id, kind, provider, customer_id, card_id, amount_cents,
               cap_month, state, created_at, next_check_at, sends, first_sent_at)
           VALUES ('chg_1', 'acme', 'topup', 'stripe', 'cus_1', 'pm_1', 500, '2026-01-01', 'unknown',
               $1, $1::timestamptz + interval '50 minutes', 10, $1)""",
        ringfence.host.clock.now(),
    )
    await operator.execute("UPDATE payments.brake SET pulled_at = now(), held_until = 'infinity', reason = 'a test'")
    await operator.close()
    await platform.post("/v1/test/clock", json={"advance_seconds": 600})

    found = await until(ringfence.url, lambda now: now.value("ringfence_holds_orphaned") == 1)
    assert found.value("ringfence_holds_open") == 0
    assert found.value("ringfence_charges", state="unknown") == 1
    assert found.value("ringfence_charges_oldest_seconds", state="unknown") >= 600
    assert found.value("ringfence_charges", state="submitting") == 0
    assert found.value("ringfence_payments_brake_held") == 1
    ticks = {dict(labels)["tick"] for name, labels in found.samples if name == "ringfence_tick_timestamp_seconds"}
    assert {"holds", "audit", "recharge"} <= ticks


async def test_a_scrape_neither_fails_nor_waits_when_the_books_are_away(
    ringfence: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that need the books are missing then, not old, and a metric says that they are."""
    assert ("ringfence_outbox_events", frozenset()) in (await scrape(ringfence.url)).samples
    for service in ringfence.running.values():
        if service.measure is not None:
            assert await service.measure()
    operator = await asyncpg.connect(ringfence.host.settings.postgres_url)
    # Whoever reads the outbox waits for this lock, as for a server that hangs.
    await operator.execute("BEGIN")
    await operator.execute("LOCK TABLE ledger.outbox IN ACCESS EXCLUSIVE MODE")
    found = await scrape(ringfence.url)
    assert ("ringfence_outbox_events", frozenset()) not in found.samples
    assert found.value("ringfence_measured", source="ledger") == 0
    assert found.value("ringfence_measured", source="payments") == 1
    assert ("ringfence_gate_seconds_count", frozenset()) in found.samples
    await operator.execute("ROLLBACK")
    await operator.close()
    assert (await scrape(ringfence.url)).value("ringfence_measured", source="ledger") == 1


async def test_however_often_it_is_scraped_the_books_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.measures.FRESH_SECONDS", 60.0)
    reads = 0

    async def measure() -> list[Metric]:
        nonlocal reads
        reads += 1
        await asyncio.sleep(0)
        return [gauge("ringfence_reads", "How often it was read.", reads)]

    measures = Measures({"test": measure})
    scrapes = await asyncio.gather(*(measures.text() for _ in range(20)))
    assert {parse(text.decode()).value("ringfence_reads") for text in scrapes} == {1}


async def test_a_source_that_fails_leaves_the_others_alone() -> None:
    async def fails() -> list[Metric]:
        raise ConnectionRefusedError

    async def works() -> list[Metric]:
        return [gauge("ringfence_works", "It does.", 7)]

    found = parse((await Measures({"fails": fails, "works": works}).text()).decode())
    assert found.value("ringfence_works") == 7
    assert found.value("ringfence_measured", source="fails") == 0


async def test_what_is_served_is_what_is_documented(ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    """Every metric with its type and labels, and no other; names in base units, `_total` on counters alone."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    found = await scrape(ringfence.url)
    page = REFERENCE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(ringfence_\w+)` \| (\w+) \|([^|]*)\|", page, re.M)
    assert {name: kind for name, kind, _ in rows} == {name: kind for name, (kind, _) in found.families.items()}

    labels = {name: set(re.findall(r"`(\w+)`", text)) for name, _, text in rows}
    for name, values in found.samples:
        family = name if name in labels else re.sub(r"_(bucket|sum|count)$", "", name)
        assert {label for label, _ in values} - {"le"} == labels[family], name

    for name, (kind, documentation) in found.families.items():
        assert re.fullmatch(r"ringfence_[a-z]+(_[a-z]+)*", name)
        assert name.endswith("_total") == (kind == "counter")
        assert documentation.endswith(".")
        assert not re.search(r"_(ms|millis|minutes|hours|cents|micros)\b", name)
