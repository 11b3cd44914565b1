"""Contract §7: "Usage counts in the period of `ended_at`, or in the open one when that is closed", however late it is
told: after the cancel, after a new start, before anything ran."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg

from tests.services.subscriptions.conftest import Agency, Client, World, eventually, instant

RATE = {"minute_rate_usd": "0.60", "included_minutes": 10}


async def present(world: World) -> datetime:
    return await world.advance(seconds=0)


async def account(world: World, client: Client) -> dict[str, Any]:
    found: dict[str, Any] = (await world.platform.get(f"/v1/accounts/{client.id}")).json()
    return found


async def counted(world: World, client: Client, calls: int) -> dict[str, Any]:
    """Wait until so many transactions are in the statement; the newest."""

    async def look() -> dict[str, Any]:
        answer = await world.platform.get("/v1/billing/transactions", headers={"Ringfence-Account": client.id})
        return {"entries": answer.json()}

    entries: list[dict[str, Any]] = (await eventually(look, lambda found: len(found["entries"]) == calls))["entries"]
    return entries[0]


async def usage_requests(client: Client, count: int) -> list[dict[str, Any]]:
    async def look() -> dict[str, Any]:
        return {"made": [each for each in await client.requests(type="cycle") if each["kind"] == "usage"]}

    made: list[dict[str, Any]] = (await eventually(look, lambda found: len(found["made"]) == count))["made"]
    return made


async def apply(client: Client, *, minutes: int) -> None:
    pack = await client.agency.pack(minutes=minutes)
    await client.http.put(f"{client.path}/packs", json={"pack_ids": [pack["id"]]})
    answer = await client.http.post(f"{client.path}/packs/{pack['id']}/apply", json={"payment_status": "paid"})
    assert answer.status_code == 201, answer.text


async def test_a_call_told_after_the_cancel_takes_the_wallet_and_is_asked_for_never_money(
    world: World, agency: Agency
) -> None:
    """ "Calls of a client with a running subscription are not priced by the price book and never touch its money" """
    client = await agency.subscribed(**RATE)
    await apply(client, minutes=1)
    ended_at = await world.advance(minutes=30)
    await world.advance(minutes=10)
    canceled = await client.cancel()
    await world.use(client.id, 90, ended_at=ended_at)
    entry = await counted(world, client, 1)
    assert (entry["reason"], entry["amount_micros"]) == ("call", 0)
    assert entry["metadata"]["minute_pools_ms"] == {"included": 0, "wallet": 60_000, "billable": 30_000}
    assert entry["metadata"]["total_usd"] == "0.00"
    (request,) = await usage_requests(client, 1)
    assert (request["amount_cents"], request["status"]) == (30, "pending")
    assert (request["subscription_id"], request["period_end"]) == (canceled["id"], canceled["canceled_at"])
    assert request["line_items"][0]["quantity"] == 0.5
    books = await account(world, client)
    assert (books["balance_micros"], books["status"]) == (0, "active")
    assert (await client.read("usage"))["wallet"]["seconds"] == 0


async def test_what_is_told_late_supplements_the_request_of_the_cancel(world: World, agency: Agency) -> None:
    """ "billable seconds × the rate, rounded half-up to the cent once": all requests of a period together."""
    client = await agency.subscribed(minute_rate_usd="0.10", included_minutes=0)
    ended_at = await world.advance(minutes=30)
    await world.use(client.id, 61, ended_at=ended_at)
    await client.has_used(61)
    await world.advance(minutes=1)
    await client.cancel()
    for calls in range(2, 5):
        await world.use(client.id, 2, ended_at=ended_at)
        await counted(world, client, calls)
    # 61 s are 10.17 cents, 63 s 10.5, 65 s 10.83, 67 s 11.17: rounded half-up 10, 11, 11, 11.
    requests = await usage_requests(client, 2)
    assert [request["amount_cents"] for request in requests] == [10, 1]


async def test_what_ended_while_no_subscription_ran_is_money_whenever_it_is_told(world: World, agency: Agency) -> None:
    """Minutes of a plan are for what ended while it ran: not before the start, not between two."""
    client = await agency.client(plan=await agency.plan(**RATE))
    before = await present(world)
    await world.advance(minutes=5)
    await client.start()
    await world.use(client.id, 60, ended_at=before)
    assert (await counted(world, client, 1))["amount_micros"] == -180_000
    await client.cancel()
    between = await world.advance(minutes=5)
    await world.advance(minutes=5)
    await client.start()
    await world.use(client.id, 60, ended_at=between)
    assert (await counted(world, client, 2))["amount_micros"] == -180_000
    assert (await client.read("usage"))["included"]["used_seconds"] == 0


async def test_a_late_call_of_a_canceled_subscription_counts_in_the_open_period_of_the_next(
    world: World, agency: Agency
) -> None:
    """ "or in the open one when that is closed" """
    client = await agency.subscribed(**RATE)
    ended_at = await world.advance(minutes=30)
    await world.advance(minutes=1)
    await client.cancel()
    await client.start()
    await world.use(client.id, 45, ended_at=ended_at)
    usage = await client.has_used(45)
    assert usage["included"]["used_seconds"] == 45
    assert (await account(world, client))["balance_micros"] == 0
    assert await usage_requests(client, 0) == []


async def test_a_late_chat_counts_as_it_did_in_chat_mode(world: World, agency: Agency) -> None:
    """ "in chat mode a chat takes floor(60,000 / chats_per_minute)": the terms that ran, not those of today."""
    client = await agency.subscribed(minute_rate_usd="0.60", included_minutes=10, chats_per_minute=2)
    sent_at = await world.advance(minutes=30)
    await world.advance(minutes=1)
    await client.cancel()
    event = {
        "specversion": "1.0",
        "id": f"late-{client.id}",
        "source": "tests",
        "type": "chat.message",
        "time": sent_at.isoformat(),
        "data": {"account_id": client.id, "chat_id": "c1", "messages": 4},
    }
    assert (await world.platform.post("/v1/usage", json=event)).status_code == 202
    (request,) = await usage_requests(client, 1)
    assert request["amount_cents"] == 120
    assert (await account(world, client))["balance_micros"] == 0


async def test_corrections_of_late_usage_move_the_wallet_and_then_what_is_asked_for(
    world: World, agency: Agency
) -> None:
    """ "the difference is posted", in minutes as in money; the postings add up to the right quantity."""
    client = await agency.subscribed(**RATE)
    await apply(client, minutes=2)
    ended_at = await world.advance(minutes=30)
    await world.advance(minutes=1)
    await client.cancel()
    await world.use(client.id, 100, ended_at=ended_at, call_id="corrected")
    await counted(world, client, 1)
    name = await event_of(world, client)
    for number, (seconds, wallet_left) in enumerate(((40, 80), (200, 0))):
        correction = {
            "specversion": "1.0",
            "id": f"{name}-correction-{number}",
            "source": "tests",
            "type": "usage.adjusted",
            "time": (ended_at + timedelta(seconds=number)).isoformat(),
            "data": {
                "account_id": client.id,
                "refers_to": {"source": "tests", "id": name},
                "duration_seconds": seconds,
            },
        }
        assert (await world.platform.post("/v1/usage", json=correction)).status_code == 202
        await counted(world, client, 2 + number)
        assert (await client.read("usage"))["wallet"]["seconds"] == wallet_left
    # 200 s less the wallet's 120.
    (request,) = await usage_requests(client, 1)
    assert request["amount_cents"] == 80
    assert (await account(world, client))["balance_micros"] == 0


async def event_of(world: World, client: Client) -> str:
    """The id of the event that told its call."""
    connection = await asyncpg.connect(world.postgres_url)
    try:
        name: str = await connection.fetchval(
            "SELECT event_id FROM ledger.usage_events WHERE account_id = $1 AND type = 'call.ended'", client.id
        )
        return name
    finally:
        await connection.close()


async def test_usage_that_waits_is_taken_up_as_its_period_opens_or_its_plan_stops(world: World, agency: Agency) -> None:
    """Whatever form its time has: "epoch seconds are accepted"."""
    client = await agency.subscribed(**RATE, due_days=300)
    end = instant((await client.read("subscription"))["period_end"])
    await world.clock_to(end - timedelta(minutes=1))
    # The platform's clock runs ahead: it ended a minute after the period that is open.
    ended_at = end + timedelta(minutes=1)
    await world.use(client.id, 30, ended_at=ended_at)
    answer = await world.platform.post(
        "/v1/usage",
        json={
            "specversion": "1.0",
            "id": f"epoch-{client.id}",
            "source": "tests",
            "type": "call.ended",
            "data": {
                "account_id": client.id,
                "call_id": "epoch",
                "direction": "outbound",
                "from": "+15550001111",
                "to": "+15550002222",
                "status": "completed",
                "started_at": ended_at.timestamp() - 12,
                "answered_at": ended_at.timestamp() - 12,
                "ended_at": ended_at.timestamp(),
                "duration_seconds": 12,
            },
        },
    )
    assert answer.status_code == 202
    await world.clock_to(end)
    usage = await client.has_used(42)
    assert usage["included"]["used_seconds"] == 42
    assert (await client.read("subscription"))["period_number"] == 2
    # The same again, and the subscription ends before the call does: then it is no longer the plan's.
    end = instant((await client.read("subscription"))["period_end"])
    await world.clock_to(end - timedelta(minutes=1))
    await world.use(client.id, 60, ended_at=end + timedelta(minutes=1))
    await client.cancel()
    assert (await counted(world, client, 3))["amount_micros"] == -180_000
