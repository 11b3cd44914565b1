"""Contract §7, packs and usage: included → minute wallet → billable, split to the second."""

import asyncio

from tests.services.subscriptions.conftest import UNPAID, Agency, Client, World, eventually, instant, refusal


async def assigned(agency: Agency, client: Client, **fields: object) -> dict[str, object]:
    pack = await agency.pack(**fields)
    answer = await agency.http.put(f"{client.path}/packs", json={"pack_ids": [pack["id"]]})
    assert answer.status_code == 200, answer.text
    return pack


async def test_one_call_is_split_over_the_pools_to_the_second(world: World, agency: Agency) -> None:
    """ "talk seconds go included → minute wallet → billable, split to the second" """
    client = await agency.subscribed(included_minutes=1, minute_rate_usd="0.10")
    pack = await assigned(agency, client, minutes=2)
    await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json={"payment_status": "paid"})
    await world.use(client.id, 187)
    usage = await client.has_used(67)
    assert usage["included"]["used_seconds"] == 60
    assert usage["wallet"]["seconds"] == 0
    assert usage["billable"] == {"seconds": 7, "rate_usd": "0.10", "amount_cents": 1}
    account = (await world.platform.get(f"/v1/accounts/{client.id}")).json()
    assert account["balance_micros"] == 0


async def test_a_pack_credits_the_wallet_at_once_and_asks_for_its_price(world: World, agency: Agency) -> None:
    """ "credits the minute wallet at once and makes a Pack payment request" """
    client = await agency.client()
    pack = await assigned(agency, client, minutes=50, price_cents=1_000)
    paid = await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json={"payment_status": "paid"})
    assert paid.status_code == 201
    assert (paid.json()["type"], paid.json()["status"], paid.json()["amount_cents"]) == ("pack", "paid", 1_000)
    pending = await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json={"payment_status": "pending"})
    assert (pending.json()["status"], pending.json()["subscription_id"]) == ("pending", None)
    assert (await client.read("usage"))["wallet"]["seconds"] == 6_000

    async def newest_news() -> dict[str, object]:
        return (await world.events(client.id, "balance_changed"))[-1]["minute_pools"] or {}

    await eventually(newest_news, lambda pools: pools.get("wallet_seconds") == 6_000)


async def test_the_same_idempotency_key_applies_a_pack_once(agency: Agency) -> None:
    """ "Same key and body → the first answer again with `Idempotency-Replayed: true`" """
    client = await agency.client()
    pack = await assigned(agency, client, minutes=50)
    headers = {"Idempotency-Key": "apply-1"}
    path = f"{client.path}/packs/{pack['id']}/apply"
    answers = await asyncio.gather(*(agency.http.post(path, headers=headers, json=UNPAID) for _ in range(5)))
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert (await client.read("usage"))["wallet"]["seconds"] == 3_000
    again = await agency.http.post(path, headers=headers, json=UNPAID)
    assert again.headers["idempotency-replayed"] == "true"
    other = await agency.http.post(path, headers=headers, json={"payment_status": "paid"})
    assert refusal(other) == (409, "idempotency_key_reused")


async def test_a_pack_that_is_not_assigned_or_not_said_to_be_paid_or_pending_is_refused(agency: Agency) -> None:
    """ "409 `pack_not_assigned`"; "{payment_status: pending|paid}" """
    client = await agency.subscribed()
    pack = await agency.pack()
    path = f"{client.path}/packs/{pack['id']}/apply"
    assert refusal(await agency.http.post(path, json=UNPAID)) == (409, "pack_not_assigned")
    assert refusal(await agency.http.post(f"{client.path}/packs/pack_none/apply", json=UNPAID)) == (404, "not_found")
    for body in ({}, {"payment_status": "free"}, None):
        answer = await agency.http.post(path, json=body)
        assert refusal(answer) == (422, "invalid_request")
        assert [field["path"] for field in answer.json()["error"]["fields"]] == ["payment_status"]


async def test_packs_are_applied_at_any_time_but_where_the_terms_have_them_off(agency: Agency) -> None:
    """ "any time, also without a subscription … 409 `packs_disabled` where the running terms have packs off"; where
    none run, the assigned plan's terms are those that will: "apply without subscription where packs are off: refused".
    """
    client = await agency.client()
    pack = await assigned(agency, client)

    async def applied() -> tuple[int, str | None]:
        answer = await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json=UNPAID)
        return answer.status_code, answer.json().get("error", {}).get("code")

    off, on = (409, "packs_disabled"), (201, None)
    assert await applied() == on, "no plan"
    allowing, forbidding = await agency.plan(), await agency.plan(packs_allowed=False)
    await agency.http.put(f"{client.path}/plan", json={"plan_id": allowing["id"]})
    assert await applied() == on, "a plan that allows them, no subscription"
    await agency.http.put(f"{client.path}/plan", json={"plan_id": forbidding["id"]})
    assert await applied() == off, "a plan that has them off, no subscription"
    await client.start()
    assert await applied() == off, "it runs"
    await agency.http.patch(f"/v1/plans/{forbidding['id']}", json={"packs_allowed": True})
    assert await applied() == off, "the plan has changed, the running terms have not"
    await client.cancel()
    assert await applied() == on, "canceled: the plan as it stands"
    await client.start()
    await agency.http.patch(f"/v1/plans/{forbidding['id']}", json={"packs_allowed": False})
    assert await applied() == on, "the running terms allow them"


async def test_the_minute_wallet_survives_renewal_cancel_and_a_new_start(world: World, agency: Agency) -> None:
    """ "The minute wallet never expires and survives renewal, cancel and new start." """
    client = await agency.subscribed(due_days=300)
    pack = await assigned(agency, client, minutes=5)
    await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json=UNPAID)
    first = await client.read("subscription")
    await world.clock_to(instant(first["period_end"]))
    await eventually(lambda: client.read("subscription"), lambda found: found["period_number"] == 2)
    assert (await client.read("usage"))["wallet"]["seconds"] == 300
    await client.cancel()
    assert (await client.read("usage"))["wallet"]["seconds"] == 300
    await client.start()
    assert (await client.read("usage"))["wallet"]["seconds"] == 300


async def test_in_chat_mode_chats_take_minutes_and_minutes_show_as_chats(world: World, agency: Agency) -> None:
    """ "in chat mode a chat takes floor(60,000 / chats_per_minute)" """
    client = await agency.subscribed(included_minutes=1, chats_per_minute=7)
    event = {
        "specversion": "1.0",
        "id": "chat-1",
        "source": "tests",
        "type": "chat.message",
        "data": {"account_id": client.id, "chat_id": "c1", "message_id": "m1", "messages": 3},
    }
    assert (await world.platform.post("/v1/usage", json=event)).status_code == 202
    usage = await client.has_used(25)
    # 3 × 8,571 ms of 60,000 are used.
    assert usage["included"] == {"seconds": 60, "used_seconds": 25, "percent": 42, "chats": 7}
    assert usage["wallet"] == {"seconds": 0, "chats": 0}


async def test_usage_after_the_period_ended_counts_in_the_next_one(world: World, agency: Agency) -> None:
    """ "Usage counts in the period of `ended_at`, or in the open one when that is closed." """
    client = await agency.subscribed(included_minutes=10, due_days=300)
    first = await client.read("subscription")
    end = instant(first["period_end"])
    await world.clock_to(end)
    await world.use(client.id, 30, ended_at=end)
    await client.has_used(30)
    assert (await client.read("subscription"))["period_number"] == 2
    late_from_the_first = instant(first["period_start"])
    await world.use(client.id, 12, ended_at=late_from_the_first)
    usage = await client.has_used(42)
    assert usage["included"]["used_seconds"] == 42


async def test_included_minutes_running_low_are_told_once_a_period(world: World, agency: Agency) -> None:
    """ "`included_minutes_low` (90 %)", once per period"""
    client = await agency.subscribed(included_minutes=10, due_days=300)
    await world.use(client.id, 539)
    await client.has_used(539)
    assert await world.events(client.id, "included_minutes_low") == []
    await world.use(client.id, 1)
    await client.has_used(540)
    await world.use(client.id, 30)
    await client.has_used(570)
    (low,) = await world.events(client.id, "included_minutes_low")
    assert (low["percent"], low["used_seconds"]) == (90, 540)
    await world.clock_to(instant((await client.read("subscription"))["period_end"]))
    await eventually(lambda: client.read("subscription"), lambda found: found["period_number"] == 2)
    await world.use(client.id, 600)
    await client.has_used(600)
    assert len(await world.events(client.id, "included_minutes_low")) == 2
