"""Checks over RabbitMQ (contract §2, Over RabbitMQ)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import pytest

from deploy.local.servers import Servers
from services.gatekeeper.hears import QUEUE
from shared.runtime import Hosted
from tests.services.gatekeeper.books import ACCOUNT, TestBooks
from tests.services.gatekeeper.switch import Switch, switch_on
from tests.services.gatekeeper.waiting import eventually

Body = Callable[..., dict[str, Any]]


@pytest.fixture
async def switch(hosted: Hosted, servers: Servers) -> AsyncIterator[Switch]:
    async with switch_on(servers.amqp_urls["platform"]) as switch:
        yield switch


async def dead_message(hosted: Hosted) -> Any:
    """The first message parked in the dead queue."""

    async def look() -> Any:
        async with hosted.host.broker.hold(QUEUE.dead) as held:  # type: ignore[attr-defined]
            return await held.next()

    return await eventually(look)


async def events_of(books: TestBooks) -> list[str]:
    async def look() -> list[str]:
        return [kind for kind, _ in await books.events()]

    return await eventually(look)


async def test_the_http_body_comes_back_with_its_status(switch: Switch, books: TestBooks, call: Body) -> None:
    """With `reply_to` the HTTP body comes back with `"status"` added, same correlation_id, for every outcome."""
    await books.open_account(balance_micros=180_000)
    allowed = await switch.ask("call", call())
    assert (allowed["status"], allowed["decision"], allowed["held_cents"]) == (200, "allow", 18)
    refused = await switch.ask("call", call("c2"))
    assert (refused["status"], refused["error"]["code"]) == (402, "insufficient_balance")
    assert [kind for kind, _ in await books.events()] == ["call_rejected_insufficient"]
    reused = await switch.ask("call", call(seconds=90))
    assert (reused["status"], reused["error"]["code"]) == (409, "idempotency_key_reused")
    unknown = await switch.ask("call", call(account_id="nobody"))
    assert (unknown["status"], unknown["error"]["code"]) == (404, "account_not_found")
    invalid = await switch.ask("call", call(seconds=-1))
    assert (invalid["status"], invalid["error"]["code"]) == (422, "invalid_request")
    broken = await switch.ask("call", b"{")
    assert (broken["status"], broken["error"]["code"]) == (400, "invalid_json")
    odd = await switch.ask("fax", call())
    assert (odd["status"], odd["error"]["code"]) == (404, "not_found")


async def test_all_kinds_are_asked_by_their_key(switch: Switch, books: TestBooks, sms: Body) -> None:
    """key `check.call|sms|chat|campaign`."""
    await books.open_account()
    assert (await switch.ask("sms", sms()))["granted_segments"] == 1
    assert (await switch.ask("chat", {"account_id": ACCOUNT, "message_id": "m2"}))["granted_messages"] == 1
    assert (await switch.ask("campaign", {"account_id": ACCOUNT, "campaign_id": "k"}))["decision"] == "allow"


async def test_without_reply_to_the_outcome_is_an_event(
    switch: Switch, books: TestBooks, call: Body, sms: Body
) -> None:
    """without, the outcome is an event (`call_authorized`, … or `*_rejected_*`)."""
    await books.open_account(balance_micros=190_000)
    await switch.tell("call", call(12))
    assert await events_of(books) == ["call_authorized"]
    _, data = (await books.events())[0]
    assert (data["account_id"], data["call_id"], data["granted_seconds"]) == (ACCOUNT, 12, 60)
    await switch.tell("sms", sms())
    await switch.tell("sms", sms("m2"))
    await switch.tell("campaign", {"account_id": ACCOUNT, "campaign_id": "k"})

    async def all_three() -> bool:
        return len(await books.events()) == 4

    assert await eventually(all_three)
    kinds = [kind for kind, _ in await books.events()]
    assert kinds[1:] == ["sms_authorized", "sms_rejected_insufficient", "campaign_rejected_insufficient"]


async def test_another_name_to_reply_to_is_ignored(
    switch: Switch, books: TestBooks, call: Body, hosted: Hosted
) -> None:
    """(direct reply-to or a server-named `amq.gen-*` queue; another name is ignored)."""
    await books.open_account()
    await switch.tell("call", call(), reply_to="ledger.charge_usage")
    assert await events_of(books) == ["call_authorized"]
    assert not await hosted.host.broker.depth("ledger.charge_usage")


async def test_a_server_named_queue_is_answered(
    hosted: Hosted, switch: Switch, books: TestBooks, call: Body, servers: Servers
) -> None:
    await books.open_account()
    connection = await aio_pika.connect(servers.amqp_urls["operator"])
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        assert queue.name.startswith("amq.gen-")
        await switch.tell("call", call(), reply_to=queue.name, correlation_id="x-1")
        async with asyncio.timeout(5):
            async with queue.iterator() as messages:
                async for message in messages:
                    await message.ack()
                    break
    assert message.correlation_id == "x-1"


@pytest.mark.parametrize(
    ("kind", "change", "reason"),
    [
        ("call", {"seconds": -1}, "invalid_request"),
        ("call", {"account_id": "nobody"}, "account_not_found"),
        ("fax", {}, "not_found"),
    ],
)
async def test_what_can_be_no_event_is_parked_with_its_reason(
    switch: Switch, books: TestBooks, call: Body, hosted: Hosted, kind: str, change: dict[str, Any], reason: str
) -> None:
    """Bad messages are published, confirmed, to `<queue>.dead` with `ringfence-reason`, …; nothing is dropped."""
    await books.open_account()
    await switch.tell(kind, call(**change))
    parked = await dead_message(hosted)
    assert parked.headers["ringfence-reason"] == reason


async def test_a_check_that_outlived_its_expiration_is_dropped(
    hosted: Hosted, switch: Switch, books: TestBooks, call: Body
) -> None:
    """A check older than its `expiration` (at most 5 s) is dropped, not answered late."""
    await books.open_account()
    sent = datetime.now(UTC) - timedelta(seconds=10)
    await switch.tell("call", call("late"), timestamp=sent)
    assert (await switch.ask("call", call("fresh")))["status"] == 200
    assert await books.hold("late") is None


async def test_the_queue_itself_drops_what_waits_too_long() -> None:
    assert QUEUE.ttl_ms == 5_000
