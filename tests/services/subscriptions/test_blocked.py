"""What a blocked client's calls in progress still use: counted, and asked for at the cancel."""

from datetime import timedelta

from tests.services.subscriptions.conftest import Agency, World, instant


async def test_usage_of_a_blocked_client_counts_in_its_last_period_however_late(world: World, agency: Agency) -> None:
    """Late usage still charges; the period stays open until the cancel, for nothing renews it."""
    client = await agency.subscribed(included_minutes=1)
    first = await client.read("subscription")
    end = instant(first["period_end"]) + timedelta(days=3)
    await world.clock_to(end)
    await client.reaches("blocked")
    await world.use(client.id, 120, ended_at=end)
    usage = await client.has_used(120)
    assert (usage["included"]["used_seconds"], usage["billable"]["seconds"]) == (60, 60)
    (low,) = await world.events(client.id, "included_minutes_low")
    assert low["percent"] == 100
    canceled = await client.cancel()
    _, over = await client.requests()
    assert (over["kind"], over["amount_cents"], over["period_end"]) == ("usage", 10, canceled["canceled_at"])
    account = (await world.platform.get(f"/v1/accounts/{client.id}")).json()
    assert account["balance_micros"] == 0


async def test_a_cancel_in_a_later_period_asks_only_for_that_period(world: World, agency: Agency) -> None:
    client = await agency.subscribed(included_minutes=0, due_days=300, recurring_fee_cents=None)
    await world.use(client.id, 60)
    await client.has_used(60)
    end = instant((await client.read("subscription"))["period_end"])
    await world.clock_to(end + timedelta(days=1))
    await client.cancel()
    (over,) = await client.requests()
    assert (over["kind"], instant(over["period_end"])) == ("usage", end)
