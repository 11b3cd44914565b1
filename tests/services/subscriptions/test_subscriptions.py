"""Contract §7, Subscription: started, renewed, past due, blocked, canceled."""

from datetime import timedelta
from itertools import pairwise

from tests.services.subscriptions.conftest import Agency, World, eventually, instant, refusal


async def test_a_subscription_starts_active_with_its_plan_as_it_stands(agency: Agency) -> None:
    """ "**Subscription** {id, status, plan (snapshot at start), period_start, period_end, canceled_at}" """
    plan = await agency.plan()
    client = await agency.client(plan=plan)
    started = await client.start()
    assert started["status"] == "active"
    assert started["canceled_at"] is None
    await agency.http.patch(f"/v1/plans/{plan['id']}", json={"recurring_fee_cents": 9_900, "name": "Dearer"})
    snapshot = (await client.read("subscription"))["plan"]
    assert (snapshot["name"], snapshot["recurring_fee_cents"]) == ("Voice 100", 4_900)
    (fee,) = await client.requests()
    assert (fee["type"], fee["kind"], fee["status"], fee["amount_cents"]) == ("cycle", "recurring", "pending", 4_900)
    assert fee["line_items"] == [
        {
            "description": "Voice 100: recurring fee",
            "quantity": 1,
            "unit": "period",
            "price_usd": "49.00",
            "amount_cents": 4_900,
        }
    ]
    assert (fee["period_start"], fee["period_end"]) == (started["period_start"], started["period_end"])
    assert instant(fee["due_at"]) == instant(fee["created_at"]) + timedelta(days=7)
    assert instant(fee["grace_until"]) == instant(fee["due_at"]) + timedelta(days=3)


async def test_a_period_is_counted_on_the_wall_clock_of_the_agency(world: World) -> None:
    """ "Setting per agency: `timezone`" """
    agency = await world.agency(timezone="America/New_York")
    client = await agency.subscribed(rhythm="yearly")
    running = await client.read("subscription")
    start, end = instant(running["period_start"]), instant(running["period_end"])
    assert running["plan"]["timezone"] == "America/New_York"
    assert end.replace(year=start.year) == start


async def test_at_period_end_the_minutes_are_reset_and_new_requests_are_made(world: World, agency: Agency) -> None:
    """ "At period end: new payment requests, included minutes reset (no carry-over)." """
    client = await agency.subscribed(included_minutes=1)
    await client.settle((await client.requests())[0])
    await world.use(client.id, 150)
    usage = await client.has_used(150)
    assert usage["included"] == {"seconds": 60, "used_seconds": 60, "percent": 100, "chats": None}
    assert usage["billable"] == {"seconds": 90, "rate_usd": "0.10", "amount_cents": 15}
    first = await client.read("subscription")
    await world.clock_to(instant(first["period_end"]))
    renewed = await eventually(lambda: client.read("subscription"), lambda found: found["period_number"] == 2)
    assert renewed["period_start"] == first["period_end"]
    usage = await client.read("usage")
    assert (usage["period_start"], usage["period_end"]) == (renewed["period_start"], renewed["period_end"])
    assert usage["included"] == {"seconds": 60, "used_seconds": 0, "percent": 0, "chats": None}
    assert usage["billable"]["seconds"] == 0
    _, over, fee = await client.requests()
    assert {over["kind"], fee["kind"]} == {"usage", "recurring"}
    over = over if over["kind"] == "usage" else fee
    assert (over["amount_cents"], over["period_end"]) == (15, first["period_end"])
    assert over["line_items"][0]["quantity"] == 1.5
    told = await world.events(client.id, "subscription_renewed", "payment_request_created")
    assert [event["type"] for event in told] == [
        "payment_request_created",
        "payment_request_created",
        "subscription_renewed",
        "payment_request_created",
    ]


async def test_overdue_makes_it_past_due_and_grace_over_blocks_it(world: World, agency: Agency) -> None:
    """ "an overdue cycle request makes the subscription past_due; grace over → blocked" """
    client = await agency.subscribed()
    await world.advance(days=7, seconds=1)
    await client.reaches("past_due")
    assert [request["status"] for request in await client.requests()] == ["overdue"]
    assert refusal(await world.check(client.id)) == (402, "payment_overdue")
    await world.advance(days=3)
    await client.reaches("blocked")
    assert refusal(await world.check(client.id)) == (402, "subscription_blocked")
    told = await world.events(client.id, "subscription_past_due", "subscription_blocked", "payment_request_updated")
    assert [event["type"] for event in told] == [
        "payment_request_updated",
        "subscription_past_due",
        "subscription_blocked",
    ]


async def test_paid_with_nothing_else_unpaid_makes_it_active_again(world: World, agency: Agency) -> None:
    """ "Paid, and no other cycle request unpaid past its due date → active again." """
    client = await agency.subscribed()
    await world.advance(days=8)
    await client.reaches("past_due")
    paid = await client.settle((await client.requests())[0])
    assert paid["paid_at"] is not None
    assert (await client.read("subscription"))["status"] == "active"
    assert (await world.check(client.id)).status_code == 200


async def test_blocked_does_not_renew_and_is_left_only_by_cancel_and_a_new_start(world: World, agency: Agency) -> None:
    """ "Active and past_due renew, blocked doesn't. Blocked is left only by cancel and a new start." """
    client = await agency.subscribed()
    await world.advance(days=100)
    blocked = await client.reaches("blocked")
    assert blocked["period_number"] == 1
    (fee,) = await client.requests()
    await client.settle(fee)
    assert (await client.read("subscription"))["status"] == "blocked"
    assert refusal(await agency.http.post(f"{client.path}/subscription")) == (409, "subscription_active")
    assert (await client.cancel())["status"] == "canceled"
    started = await client.start()
    assert started["status"] == "active"
    assert started["id"] != blocked["id"]
    assert (await world.check(client.id)).status_code == 200


async def test_past_due_renews(world: World, agency: Agency) -> None:
    """ "Active and past_due renew" """
    client = await agency.subscribed(rhythm="daily", due_days=1, grace_days=30)
    await world.advance(days=2, hours=1)
    found = await eventually(lambda: client.read("subscription"), lambda found: found["period_number"] == 3)
    assert found["status"] == "past_due"
    assert (await client.read("usage"))["included"]["seconds"] == 6_000


async def test_a_cancel_makes_the_usage_request_so_far_and_refunds_nothing(world: World, agency: Agency) -> None:
    """ "`…/cancel` (at once; makes the usage request so far, refunds nothing)" """
    client = await agency.subscribed(included_minutes=0)
    await world.use(client.id, 60)
    await client.has_used(60)
    canceled = await client.cancel()
    assert canceled["status"] == "canceled"
    fee, over = await client.requests()
    assert (fee["status"], fee["amount_cents"]) == ("pending", 4_900)
    assert (over["kind"], over["amount_cents"], over["period_end"]) == ("usage", 10, canceled["canceled_at"])
    assert refusal(await world.check(client.id)) == (402, "no_subscription")
    assert refusal(await agency.http.post(f"{client.path}/subscription/cancel")) == (409, "illegal_transition")


async def test_periods_missed_during_an_outage_are_made_up_for_once_each(world: World, agency: Agency) -> None:
    client = await agency.subscribed(rhythm="daily", due_days=30)
    await world.advance(days=5, hours=1)
    await eventually(lambda: client.read("subscription"), lambda found: found["period_number"] == 6)
    fees = await client.requests()
    assert [fee["kind"] for fee in fees] == ["recurring"] * 6
    assert all(a["period_end"] == b["period_start"] for a, b in pairwise(fees))


async def test_a_client_starts_its_own_subscription_only_where_its_plan_allows(world: World, agency: Agency) -> None:
    """ "`POST /v1/clients/{id}/subscription` (agency, or the client if the plan allows)" """
    allowed = await agency.client(plan=await agency.plan(client_may_start=True))
    forbidden = await agency.client(plan=await agency.plan(client_may_start=False))
    own = await world.with_key(allowed.key)
    assert (await own.post(f"{allowed.path}/subscription")).status_code == 201
    own = await world.with_key(forbidden.key)
    assert refusal(await own.post(f"{forbidden.path}/subscription")) == (403, "forbidden")


async def test_a_client_without_a_plan_has_nothing_to_start(agency: Agency) -> None:
    client = await agency.client()
    assert refusal(await agency.http.post(f"{client.path}/subscription")) == (409, "plan_not_assigned")
    assert refusal(await agency.http.get(f"{client.path}/subscription")) == (404, "not_found")
    assert refusal(await agency.http.post(f"{client.path}/subscription/cancel")) == (404, "not_found")


async def test_a_client_runs_one_subscription_at_a_time(agency: Agency) -> None:
    client = await agency.subscribed()
    assert refusal(await agency.http.post(f"{client.path}/subscription")) == (409, "subscription_active")
