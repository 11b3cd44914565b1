"""Contract §7, Payment request: what the agency may say of one, and what the clock says."""

import pytest

from tests.services.subscriptions.conftest import UNPAID, Agency, World, eventually, instant, refusal

LEGAL = {
    "pending": {"paid", "failed", "canceled", "overdue"},
    "overdue": {"paid", "failed", "canceled"},
    "failed": {"paid", "failed", "canceled"},
    "paid": set(),
    "canceled": set(),
}


@pytest.mark.parametrize("present", list(LEGAL))
async def test_the_agency_may_say_what_the_contract_lists_and_nothing_else(agency: Agency, present: str) -> None:
    """ "Agency: pending|overdue|failed → paid|failed|canceled, pending → overdue; else 409 `illegal_transition`." """
    plan = await agency.plan()
    for wanted in (*LEGAL, "pending"):
        client = await agency.client(plan=plan)
        await client.start()
        (request,) = await client.requests()
        if present != "pending":
            await client.settle(request, present)
        answer = await agency.http.patch(f"/v1/payment-requests/{request['id']}", json={"status": wanted})
        if wanted in LEGAL[present]:
            assert (answer.status_code, answer.json()["status"]) == (200, wanted)
        else:
            assert refusal(answer) == (409, "illegal_transition")


async def test_an_external_reference_is_kept_and_told(world: World, agency: Agency) -> None:
    client = await agency.subscribed()
    (request,) = await client.requests()
    body = {"status": "paid", "external_reference": "bank transfer 17"}
    answer = await agency.http.patch(f"/v1/payment-requests/{request['id']}", json=body)
    assert answer.json()["external_reference"] == "bank transfer 17"
    assert answer.json()["paid_at"] is not None
    later = await agency.http.patch(f"/v1/payment-requests/{request['id']}", json={"external_reference": None})
    assert (later.json()["status"], later.json()["external_reference"]) == ("paid", None)
    told = await world.events(client.id, "payment_request_updated")
    assert [event["payment_request"]["external_reference"] for event in told] == ["bank transfer 17", None]


async def test_a_request_declared_overdue_makes_the_subscription_past_due_at_once(world: World, agency: Agency) -> None:
    client = await agency.subscribed()
    await client.settle((await client.requests())[0], "overdue")
    assert (await client.read("subscription"))["status"] == "past_due"
    assert refusal(await world.check(client.id)) == (402, "payment_overdue")


async def test_a_payment_that_comes_before_the_tick_is_judged_by_the_clock(world: World, agency: Agency) -> None:
    """Grace was over when it was paid: blocked, whenever the tick came."""
    client = await agency.subscribed()
    (request,) = await client.requests()
    await world.advance(days=11)
    answer = await agency.http.patch(f"/v1/payment-requests/{request['id']}", json={"status": "paid"})
    assert answer.status_code == 200
    assert (await client.read("subscription"))["status"] == "blocked"


async def test_packs_become_overdue_and_never_block(world: World, agency: Agency) -> None:
    """ "Packs never block." and "grace_until … (cycle only)" """
    client = await agency.subscribed(due_days=7)
    await client.settle((await client.requests())[0])
    pack = await agency.pack()
    await agency.http.put(f"{client.path}/packs", json={"pack_ids": [pack["id"]]})
    asked = (await agency.http.post(f"{client.path}/packs/{pack['id']}/apply", json=UNPAID)).json()
    assert (asked["type"], asked["kind"], asked["grace_until"]) == ("pack", None, None)
    await world.advance(days=8)

    async def look() -> dict[str, object]:
        return (await client.requests(type="pack"))[0]

    await eventually(look, lambda found: found["status"] == "overdue")
    await world.advance(days=15)
    assert (await client.read("subscription"))["status"] == "active"
    assert (await world.check(client.id)).status_code == 200


async def test_requests_of_a_canceled_subscription_still_fall_overdue_and_change_nothing(
    world: World, agency: Agency
) -> None:
    client = await agency.subscribed()
    await client.cancel()
    await client.start()
    await client.settle((await client.requests())[-1])
    await world.advance(days=30)

    async def look() -> dict[str, object]:
        return (await client.requests())[0]

    await eventually(look, lambda found: found["status"] == "overdue")
    assert (await client.read("subscription"))["status"] == "active"


async def test_the_list_is_newest_first_and_filtered(world: World, agency: Agency) -> None:
    """ "`GET /v1/payment-requests?client_id&status&type`" """
    one, other = await agency.subscribed(), await agency.subscribed()
    await one.settle((await one.requests())[0])
    everything = (await agency.http.get("/v1/payment-requests")).json()
    assert everything["total"] == 2
    assert [request["account_id"] for request in everything["data"]] == [other.id, one.id]
    paid = (await agency.http.get("/v1/payment-requests", params={"status": "paid"})).json()
    assert [request["account_id"] for request in paid["data"]] == [one.id]
    assert (await agency.http.get("/v1/payment-requests", params={"type": "pack"})).json()["total"] == 0
    page = (await agency.http.get("/v1/payment-requests", params={"limit": 1, "offset": 1})).json()
    assert ([request["account_id"] for request in page["data"]], page["limit"], page["offset"]) == ([one.id], 1, 1)
    for wrong in ({"status": "nonsense"}, {"limit": 0}, {"limit": 201}, {"offset": -1}, {"type": "x"}):
        assert refusal(await agency.http.get("/v1/payment-requests", params=wrong)) == (422, "invalid_request")


async def test_amounts_are_in_the_plans_currency_and_move_no_money(world: World, agency: Agency) -> None:
    """ "plans, packs and payment requests [V] carry any code and move no wallet money" """
    client = await agency.subscribed(currency="USDT")
    (request,) = await client.requests()
    assert request["currency"] == "USDT"
    await client.settle(request)
    account = (await world.platform.get(f"/v1/accounts/{client.id}")).json()
    assert account["balance_micros"] == 0
    assert instant(request["created_at"]) == instant(request["period_start"])
