"""Contract §7, Access: who may come in, why not, and campaigns that pause and resume by themselves."""

from typing import Any

from tests.services.subscriptions.conftest import UNPAID, Agency, Client, World, eventually, refusal

OPEN = {"portal": True, "campaigns": True, "reason": None}


def closed(reason: str) -> dict[str, Any]:
    return {"portal": False, "campaigns": False, "reason": reason}


async def campaigns(world: World, client: Client) -> list[tuple[str, str | None]]:
    told = await world.events(client.id, "campaigns_paused", "campaigns_resumed")
    return [(event["type"], event.get("reason")) for event in told]


async def test_a_client_without_a_plan_is_an_ordinary_wallet_account(world: World, agency: Agency) -> None:
    """ "a client to whom none is assigned is an ordinary wallet account" """
    client = await agency.client()
    assert await client.read("access") == OPEN
    assert refusal(await world.check(client.id)) == (402, "insufficient_balance")
    await world.platform.post(f"/v1/accounts/{client.id}/adjustments", json={"amount_cents": 500, "description": "x"})
    assert (await world.check(client.id)).status_code == 200


async def test_a_plan_without_a_subscription_refuses(world: World, agency: Agency) -> None:
    client = await agency.client(plan=await agency.plan())
    assert await client.read("access") == closed("no_subscription")
    assert refusal(await world.check(client.id)) == (402, "no_subscription")
    await agency.http.delete(f"{client.path}/plan")
    assert await client.read("access") == OPEN
    assert await campaigns(world, client) == [("campaigns_paused", "no_subscription"), ("campaigns_resumed", None)]


async def test_every_reason_closes_the_portal_and_rests_the_campaigns(world: World, agency: Agency) -> None:
    client = await agency.client(plan=await agency.plan())
    await client.start()
    assert await client.read("access") == OPEN
    await world.advance(days=8)
    await client.reaches("past_due")
    assert await client.read("access") == closed("payment_overdue")
    await world.advance(days=3)
    await client.reaches("blocked")
    assert await client.read("access") == closed("subscription_blocked")
    await client.cancel()
    assert await client.read("access") == closed("no_subscription")
    await client.start()
    assert await client.read("access") == OPEN
    assert await campaigns(world, client) == [
        ("campaigns_paused", "no_subscription"),
        ("campaigns_resumed", None),
        ("campaigns_paused", "payment_overdue"),
        ("campaigns_resumed", None),
    ]


async def test_a_disabled_client_is_refused_by_the_gate_and_shut_out(world: World, agency: Agency) -> None:
    """ "{disabled} (the gate then says `account_disabled`, access `client_disabled`)" """
    client = await agency.subscribed()
    changed = await agency.http.patch(client.path, json={"disabled": True})
    assert (changed.status_code, changed.json()["disabled"]) == (200, True)
    assert await client.read("access") == closed("client_disabled")
    assert refusal(await world.check(client.id)) == (402, "account_disabled")
    await agency.http.patch(client.path, json={"disabled": True})
    await agency.http.patch(client.path, json={"disabled": False})
    assert await client.read("access") == OPEN
    assert await campaigns(world, client) == [
        ("campaigns_paused", "no_subscription"),
        ("campaigns_resumed", None),
        ("campaigns_paused", "client_disabled"),
        ("campaigns_resumed", None),
    ]


async def test_a_client_disabled_by_the_platform_is_shut_out_the_same_way(world: World, agency: Agency) -> None:
    client = await agency.subscribed()
    await world.platform.patch(f"/v1/accounts/{client.id}", json={"disabled": True})
    assert await client.read("access") == closed("client_disabled")


async def test_empty_pools_without_a_rate_pause_campaigns_and_refuse_checks(world: World, agency: Agency) -> None:
    """ "without a rate and with empty pools → `insufficient_balance`" """
    client = await agency.subscribed(minute_rate_usd=None, included_minutes=2)
    assert (await world.check(client.id)).json()["held_cents"] == 0
    await world.use(client.id, 120)

    def are_resting(access: dict[str, Any]) -> bool:
        return not access["campaigns"]

    access = await eventually(lambda: client.read("access"), are_resting)
    assert access == {"portal": True, "campaigns": False, "reason": None}
    assert (await campaigns(world, client))[-1] == ("campaigns_paused", "no_minutes")
    campaign = {"account_id": client.id, "campaign_id": "c1", "to": "+15550002222"}
    assert refusal(await world.platform.post("/v1/checks/campaign", json=campaign)) == (402, "insufficient_balance")
    pack = await agency.pack(minutes=5)
    await agency.http.put(f"{client.path}/packs", json={"pack_ids": [pack["id"]]})
    await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json=UNPAID)
    assert await client.read("access") == OPEN
    assert (await campaigns(world, client))[-1] == ("campaigns_resumed", None)
    assert (await world.check(client.id)).status_code == 200


async def test_a_second_of_minutes_is_the_least_for_calls_and_campaigns_alike(world: World, agency: Agency) -> None:
    """Without a rate what is left is granted to the last second; access, events and the gate agree when it is empty."""
    client = await agency.subscribed(minute_rate_usd=None, included_minutes=1, chats_per_minute=600)
    campaign = {"account_id": client.id, "campaign_id": "c1", "to": "+15550002222"}
    await world.use(client.id, 59)
    await client.has_used(59)
    assert await client.read("access") == OPEN
    assert (await world.platform.post("/v1/checks/campaign", json=campaign)).status_code == 200
    granted = (await world.check(client.id, call_id="last")).json()
    assert (granted["granted_seconds"], granted["final"]) == (1, True)
    await world.platform.post("/v1/checks/call/last/release", json={"account_id": client.id})
    chat = {"account_id": client.id, "chat_id": "c1", "message_id": "m1"}
    event = {"specversion": "1.0", "id": f"chat-{client.id}", "source": "t", "type": "chat.message", "data": chat}
    assert (await world.platform.post("/v1/usage", json=event)).status_code == 202
    await eventually(lambda: client.read("access"), lambda access: not access["campaigns"])
    assert (await campaigns(world, client))[-1] == ("campaigns_paused", "no_minutes")
    assert refusal(await world.platform.post("/v1/checks/campaign", json=campaign)) == (402, "insufficient_balance")
    assert refusal(await world.check(client.id)) == (402, "insufficient_balance")
    # 900 ms are still nine chats.
    again = {"account_id": client.id, "message_id": "m2", "messages": 9}
    assert (await world.platform.post("/v1/checks/chat", json=again)).status_code == 200


async def test_campaigns_resume_only_when_paid_and_with_minutes(world: World, agency: Agency) -> None:
    """ "resume needs both: payment settled and minutes (or a rate) available" """
    client = await agency.subscribed(minute_rate_usd=None, included_minutes=2)
    await world.use(client.id, 120)
    await eventually(lambda: client.read("access"), lambda access: not access["campaigns"])
    await world.advance(days=8)
    await client.reaches("past_due")
    await client.settle((await client.requests())[0])
    assert await client.read("access") == {"portal": True, "campaigns": False, "reason": None}
    await world.advance(days=24)
    await eventually(lambda: client.read("access"), lambda access: bool(access["campaigns"]))
    assert await campaigns(world, client) == [
        ("campaigns_paused", "no_subscription"),
        ("campaigns_resumed", None),
        ("campaigns_paused", "no_minutes"),
        ("campaigns_resumed", None),
    ]


async def test_fm24_included_minutes_pass_at_money_balance_zero(world: World, agency: Agency) -> None:
    """Free or included minutes pass at balance 0 (failure-modes 24)."""
    client = await agency.subscribed(minute_rate_usd=None)
    answer = await world.check(client.id, seconds=120)
    assert (answer.status_code, answer.json()["granted_seconds"]) == (200, 120)


async def test_fm30_the_gate_refuses_from_the_very_commit_on(world: World, agency: Agency) -> None:
    """A blocked client is refused everywhere at once (failure-modes 30)."""
    client = await agency.subscribed()
    assert (await world.check(client.id)).status_code == 200
    (request,) = await client.requests()
    await client.settle(request, "overdue")
    assert refusal(await world.check(client.id)) == (402, "payment_overdue")
    await client.settle(request, "paid")
    assert (await world.check(client.id)).status_code == 200
