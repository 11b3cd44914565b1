"""Balance out: what is told, when, and to whom (contract §3, Out and Ops)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aio_pika
import asyncpg
import httpx
import orjson

from shared.announcer import LEASE, Windows
from shared.contracts.news_v1 import EVENTS_PUBLISHED
from shared.messaging.batch import BatchPolicy
from shared.messaging.cloudevents import cloud_event
from shared.messaging.messages import Message
from shared.messaging.topology import EVENTS, NEWS, OPS
from shared.runtime import Hosted
from tests.services.ledger.steps import balance_micros, open_account, publish, until
from tests.usage import call_ended, envelope, sms_sent


@asynccontextmanager
async def hearing(amqp_url: str, *keys: str, on: str = EVENTS) -> AsyncIterator[list[tuple[str, dict[str, Any]]]]:
    """(routing key, CloudEvent) of what is published while the block runs."""
    heard: list[tuple[str, dict[str, Any]]] = []
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(on, aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(exclusive=True)
        for key in keys:
            await queue.bind(exchange, key)

        async def hear(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            heard.append((message.routing_key or "", orjson.loads(message.body)))

        await queue.consume(hear, no_ack=True)
        yield heard


async def test_a_balance_is_told_on_its_own_routing_key(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, amqp_url: str
) -> None:
    """«CloudEvents, routing key `<type>.<account_id>` (bind `balance_changed.#`: an id may hold dots)»."""
    async with hearing(amqp_url, "balance_changed.#") as heard:
        account_id = await open_account(platform, id="acme.eu.1")
        await publish(ringfence, call_ended(account_id, "c1", 60))
        await until(lambda: _settled(heard, "c1"))
    key, event = heard[-1]
    assert key == "balance_changed.acme.eu.1"
    assert event["specversion"] == "1.0"
    data = event["data"]
    assert data["balance_cents"] == 982
    assert data["balance_usd"] == "9.82"
    assert data["held_cents"] == 0
    assert data["available_cents"] == 982
    assert data["available_usd"] == "9.82"
    assert data["minute_pools"] is None
    assert data["status"] == "active"
    assert data["transactions"][-1]["call_id"] == "c1"


async def _settled(heard: list[tuple[str, dict[str, Any]]], ref_id: str) -> bool:
    return any(ref_id in event["data"].get("settled", ()) for _, event in heard)


async def test_fm29_low_depleted_and_recovered_are_each_said_once(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«`balance_low`, `balance_depleted`, `balance_recovered`, each once until recovered» (failure-modes 29)."""
    account_id = await open_account(platform, signup_credit_cents=300)

    async def move(cents: int) -> None:
        answer = await platform.post(
            f"/v1/accounts/{account_id}/adjustments", json={"amount_cents": cents, "description": "test"}
        )
        assert answer.status_code == 201, answer.text

    for cents in (-150, 60, -60, 60, -60):
        await move(cents)
    assert await said(books, account_id) == ["balance_low"]
    for cents in (-150, -10, 10, -10):
        await move(cents)
    assert await said(books, account_id) == ["balance_low", "balance_depleted"]
    await move(215)
    assert await said(books, account_id) == ["balance_low", "balance_depleted"], "below 110 % of the threshold"
    await move(20)
    assert await said(books, account_id) == ["balance_low", "balance_depleted", "balance_recovered"]
    await move(-100)
    assert (await said(books, account_id))[-1] == "balance_low"


async def said(books: asyncpg.Connection, account_id: str) -> list[str]:
    rows = await books.fetch(
        "SELECT type FROM ledger.events WHERE account_id = $1 AND type = ANY($2) ORDER BY seq",
        account_id,
        ["balance_low", "balance_depleted", "balance_recovered"],
    )
    return [row["type"] for row in rows]


async def test_ops_commands_are_done_and_answered(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, amqp_url: str
) -> None:
    """«types `account.suspend|reinstate`, `account.adjust`, `account.resync`; outcomes as events `ops_done`/`ops_failed`
    naming the command's `id`»: each id is obeyed once; another body under it, and what is no command, fails."""
    account_id = await open_account(platform)
    commands: list[tuple[str, str, dict[str, Any]]] = [
        ("1", "account.suspend", {"account_id": account_id, "reason": "abuse"}),
        ("2", "account.adjust", {"account_id": account_id, "amount_cents": -100, "description": "fee"}),
        ("3", "account.reinstate", {"account_id": account_id, "reason": "checked"}),
        ("4", "account.resync", {"account_id": account_id}),
        ("2", "account.adjust", {"account_id": account_id, "amount_cents": -100, "description": "fee"}),
        ("1", "account.suspend", {"account_id": account_id, "reason": "abuse"}),
        ("5", "account.suspend", {"account_id": "nobody", "reason": "abuse"}),
        ("2", "account.adjust", {"account_id": account_id, "amount_cents": -100, "description": "another fee"}),
        ("6", "account.adjust", {"account_id": account_id, "amount_cents": "much", "description": "fee"}),
        ("7", "account.explode", {"account_id": account_id}),
    ]
    now = ringfence.host.clock.now()
    async with hearing(amqp_url, "ops_done.#", "ops_failed.#", f"balance_changed.{account_id}") as heard:
        for command_id, kind, data in commands:
            body = cloud_event(id=command_id, type=kind, time=now, data=data, source="ops-console")
            await ringfence.host.broker.publish(Message(OPS, kind, body))
            await asyncio.sleep(0.15)

        async def all_answered() -> bool:
            answers = [event for key, event in heard if key.startswith("ops_")]
            return {event["data"]["command_id"] for event in answers} == set("1234567")

        await until(all_answered)
    failed = [event["data"] for key, event in heard if key.startswith("ops_failed")]
    assert [(each["command_id"], each["account_id"], each["code"]) for each in failed] == [
        ("5", "nobody", "account_not_found"),
        ("2", account_id, "id_reused"),
        ("6", account_id, "invalid_event"),
        ("7", account_id, "unknown_type"),
    ]
    assert failed[2]["detail"].startswith("data.amount_cents: ")
    assert await ringfence.host.broker.depth("ledger.obey_ops.dead") == 2, "and parked, for a person to look at"
    assert await balance_micros(books, account_id) == 9_000_000
    types = await books.fetch("SELECT type FROM ledger.events WHERE account_id = $1 ORDER BY seq", account_id)
    told = [row["type"] for row in types]
    assert told.count("account_suspended") == told.count("account_reinstated") == 1


async def test_news_is_numbered_and_its_version_rises(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«`version` rises with every change of an account, so a reader can drop stale news»."""
    account_id = await open_account(platform)
    for n in range(5):
        await publish(ringfence, sms_sent(account_id, f"m{n}"))
        await asyncio.sleep(0.1)
    await until(lambda: books.fetchval("SELECT count(*) = 0 FROM ledger.news"))
    rows = await books.fetch("SELECT seq, type, data FROM ledger.events WHERE account_id = $1 ORDER BY seq", account_id)
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    versions = [orjson.loads(row["data"])["version"] for row in rows if row["type"] == "balance_changed"]
    assert versions == sorted(set(versions))
    balance = orjson.loads(rows[-1]["data"])
    assert balance["balance_cents"] == 995


async def test_what_a_clock_that_was_set_back_since_claimed_is_told_all_the_same(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, amqp_url: str
) -> None:
    """Contract §9, 5: a lease that lies further ahead than a lease can be long is none, and no news is of tomorrow."""
    account_id, other = await open_account(platform), await open_account(platform)
    await until(lambda: books.fetchval("SELECT NOT EXISTS (SELECT FROM ledger.outbox)"))
    ahead = ringfence.host.clock.now() + timedelta(hours=1)
    async with hearing(amqp_url, f"account_suspended.{account_id}", f"balance_changed.{other}") as heard:
        async with books.transaction():  # as a process does that ended before it could publish
            event = {"account_id": account_id, "reason": "abuse"}
            await books.execute(
                "SELECT ledger.append_event_v1($1, 'account_suspended', $2, $3)",
                account_id,
                orjson.dumps(event).decode(),
                ahead,
            )
            claimed = await books.fetch(
                "SELECT * FROM ledger.announce_v1($1, $2, $3)", [account_id], ahead, ahead + LEASE
            )
            await books.execute(
                "INSERT INTO ledger.news (account_id, settled, created_at) VALUES ($1, '{}', $2)", other, ahead
            )
        assert [row["type"] for row in claimed] == ["account_suspended"]

        async def both_are_told() -> bool:
            return len(heard) == 2

        await until(both_are_told)
        await until(
            lambda: books.fetchval(
                "SELECT NOT EXISTS (SELECT FROM ledger.outbox) AND NOT EXISTS (SELECT FROM ledger.news)"
            )
        )


async def test_news_does_not_wait_for_a_backlog_that_is_gone(
    ringfence: Hosted, platform: httpx.AsyncClient, amqp_url: str
) -> None:
    """Design §4: «the window growing to 1 s while a backlog waits», and no longer than that."""
    account_id = await open_account(platform)
    announcer = ringfence.host.announcer
    loop = asyncio.get_running_loop()
    async with hearing(amqp_url, f"balance_changed.{account_id}") as heard:
        announcer.backlog_bytes = lambda: 1_000_000
        await publish(ringfence, sms_sent(account_id, "m1"))
        await until(lambda: _settled(heard, "m1"))
        began = loop.time()
        await publish(ringfence, sms_sent(account_id, "m2"))
        await asyncio.sleep(0.3)
        assert not await _settled(heard, "m2"), "while a backlog waits an account is told of once a second"
        announcer.backlog_bytes = lambda: 0
        await until(lambda: _settled(heard, "m2"))
        assert loop.time() - began < 0.8


def test_the_shortest_usage_can_be_a_backlog() -> None:
    """Only so many messages are held here: their bytes must be able to cross the line."""
    shortest = envelope("chat.message", {"account_id": "a1", "chat_id": "c1", "message_id": "m1", "messages": 1})
    policy = BatchPolicy()
    waiting = (policy.prefetch - policy.batch_size_max) * len(orjson.dumps(shortest))
    assert waiting > Windows().busy_backlog_bytes


async def test_services_hear_of_a_round_in_one_message(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, amqp_url: str
) -> None:
    """Design §4: «per ledger batch one internal message for services»; it names who, and says nothing of money."""
    account_ids = [await open_account(platform) for _ in range(20)]
    await until(lambda: books.fetchval("SELECT NOT EXISTS (SELECT FROM ledger.outbox)"))
    async with (
        hearing(amqp_url, "balance_changed.#") as told,
        hearing(amqp_url, "#", on=NEWS) as heard,
    ):
        await publish(ringfence, *(sms_sent(account_id, f"m-{account_id}") for account_id in account_ids))
        await until(lambda: _all_told(told, len(account_ids)))
        await asyncio.sleep(0.2)
    assert len(heard) < len(account_ids) / 2, "far fewer messages than accounts"
    named = [account_id for _, event in heard for account_id in event["data"]["account_ids"]["balance_changed"]]
    assert sorted(named) == sorted(account_ids)
    assert {(key, event["type"], *event["data"]) for key, event in heard} == {
        (EVENTS_PUBLISHED, EVENTS_PUBLISHED, "account_ids")
    }


async def test_what_services_could_not_be_told_of_is_published_again(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection, amqp_url: str
) -> None:
    """Else a balance below its minimum would wait for the recharge tick."""
    account_id = await open_account(platform)
    await until(lambda: books.fetchval("SELECT NOT EXISTS (SELECT FROM ledger.outbox)"))
    connection = await aio_pika.connect(amqp_url)
    async with connection, hearing(amqp_url, f"balance_changed.{account_id}") as told:
        channel = await connection.channel()
        full = await channel.declare_queue(
            exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await full.bind(NEWS, "#")
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), full.name)
        await publish(ringfence, sms_sent(account_id, "m1"))
        await until(lambda: _all_told(told, 1))
        await asyncio.sleep(0.3)
        assert await books.fetchval("SELECT count(*) FROM ledger.outbox") == 1, "the broker refused the services' news"
        await full.unbind(NEWS, "#")
        await until(lambda: _all_told(told, 2), seconds=LEASE.total_seconds() + 10)
        await until(lambda: books.fetchval("SELECT NOT EXISTS (SELECT FROM ledger.outbox)"))
    assert told[0] == told[1], "the same event, for whoever has not seen it"


async def _all_told(told: list[tuple[str, dict[str, Any]]], count: int) -> bool:
    return len(told) >= count


async def test_a_credit_lifts_a_billing_suspension_in_the_same_commit(
    ringfence: Hosted, platform: httpx.AsyncClient, books: asyncpg.Connection
) -> None:
    """«A credit that brings balance + credit limit to zero or above … reinstates billing suspensions at once»."""
    account_id = await open_account(platform, signup_credit_cents=0)
    owed = {"amount_cents": -100, "description": "owed"}
    assert (await platform.post(f"/v1/accounts/{account_id}/adjustments", json=owed)).status_code == 201
    await books.execute("SELECT ledger.set_suspension_v1($1, 'billing', 'balance_depleted', now())", account_id)
    await books.execute("SELECT ledger.set_suspension_v1($1, 'manual', 'abuse', now())", account_id)
    adjustment = {"amount_cents": 100, "description": "cash"}
    assert (await platform.post(f"/v1/accounts/{account_id}/adjustments", json=adjustment)).status_code == 201
    row = await books.fetchrow(
        "SELECT manual_suspension, billing_suspension FROM ledger.accounts WHERE account_id = $1", account_id
    )
    assert (row["manual_suspension"], row["billing_suspension"]) == ("abuse", None)
