"""Contract §7, Plan and pack: the catalog, its assignment, and what is refused."""

from typing import Any

import pytest

from tests.services.subscriptions.conftest import PLAN, Agency, World, refusal


async def test_a_plan_is_made_read_changed_and_archived(agency: Agency) -> None:
    plan = await agency.plan(chats_per_minute=4)
    assert {name: plan[name] for name in PLAN} == PLAN
    assert (plan["status"], plan["chats_per_minute"]) == ("active", 4)
    assert (await agency.http.get(f"/v1/plans/{plan['id']}")).json() == plan
    changed = await agency.http.patch(f"/v1/plans/{plan['id']}", json={"status": "archived", "minute_rate_usd": None})
    assert changed.json() == {**plan, "status": "archived", "minute_rate_usd": None}
    newer = await agency.plan(name="Newer")
    listed = (await agency.http.get("/v1/plans")).json()
    assert [each["id"] for each in listed["data"]] == [newer["id"], plan["id"]]
    assert (listed["total"], listed["limit"], listed["offset"]) == (2, 50, 0)
    assert (await agency.http.get("/v1/plans", params={"status": "active"})).json()["total"] == 1


async def test_a_plan_says_only_what_differs_from_the_usual(agency: Agency) -> None:
    plan = (await agency.http.post("/v1/plans", json={"name": "Bare", "recurring_fee_cents": 0})).json()
    assert (plan["client_may_start"], plan["rhythm"], plan["rhythm_count"]) == (True, "monthly", 1)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"recurring_fee_cents": None, "minute_rate_usd": None}, "recurring_fee_cents"),
        ({"recurring_fee_cents": -1}, "recurring_fee_cents"),
        ({"recurring_fee_cents": 2**53 + 1}, "recurring_fee_cents"),
        ({"recurring_fee_cents": 49.5}, "recurring_fee_cents"),
        ({"recurring_fee_cents": True}, "recurring_fee_cents"),
        ({"recurring_fee_cents": "4900"}, "recurring_fee_cents"),
        ({"minute_rate_usd": "-0.10"}, "minute_rate_usd"),
        ({"minute_rate_usd": "0.0000001"}, "minute_rate_usd"),
        ({"minute_rate_usd": "1e3"}, "minute_rate_usd"),
        ({"minute_rate_usd": "٠.١٠"}, "minute_rate_usd"),
        ({"minute_rate_usd": 0.1}, "minute_rate_usd"),
        ({"included_minutes": -1}, "included_minutes"),
        ({"included_minutes": 10**12}, "included_minutes"),
        ({"rhythm": "hourly"}, "rhythm"),
        ({"rhythm_count": 0}, "rhythm_count"),
        ({"rhythm": "yearly", "rhythm_count": 11}, "rhythm_count"),
        ({"due_days": -1}, "due_days"),
        ({"due_days": 100_000}, "due_days"),
        ({"grace_days": -1}, "grace_days"),
        ({"chats_per_minute": 0}, "chats_per_minute"),
        ({"currency": "not a currency"}, "currency"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"status": "deleted"}, "status"),
    ],
)
async def test_a_plan_with_absurd_terms_is_refused(agency: Agency, fields: dict[str, Any], path: str) -> None:
    """Negative or absurd numbers, a plan with neither fee nor rate: 422 with the field that is wrong."""
    answer = await agency.http.post("/v1/plans", json={**PLAN, **fields})
    assert refusal(answer) == (422, "invalid_request")
    assert path in {field["path"] for field in answer.json()["error"]["fields"]}
    plan = await agency.plan()
    assert refusal(await agency.http.patch(f"/v1/plans/{plan['id']}", json=fields))[0] == 422


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": -5}, "minutes"),
        ({"minutes": 10**12}, "minutes"),
        ({"price_cents": -1}, "price_cents"),
        ({"price_cents": None}, "price_cents"),
        ({"currency": ""}, "currency"),
    ],
)
async def test_a_pack_with_absurd_numbers_is_refused(agency: Agency, fields: dict[str, Any], path: str) -> None:
    pack = {"name": "Pack", "minutes": 50, "price_cents": 1_000, "currency": "USD"}
    answer = await agency.http.post("/v1/packs", json={**pack, **fields})
    assert refusal(answer) == (422, "invalid_request")
    assert [field["path"] for field in answer.json()["error"]["fields"]] == [path]


async def test_a_pack_is_made_read_and_changed(agency: Agency) -> None:
    pack = await agency.pack(currency="USDT")
    assert (await agency.http.get(f"/v1/packs/{pack['id']}")).json() == pack
    changed = (await agency.http.patch(f"/v1/packs/{pack['id']}", json={"price_cents": 2_000})).json()
    assert changed == {**pack, "price_cents": 2_000}
    assert (await agency.http.get("/v1/packs")).json()["data"] == [changed]


async def test_only_an_active_plan_is_assigned(agency: Agency) -> None:
    """ "only an active plan, else 409 `subscription_active` / `plan_not_active`" """
    plan = await agency.plan()
    client = await agency.client(plan=plan)
    await agency.http.patch(f"/v1/plans/{plan['id']}", json={"status": "archived"})
    assert refusal(await agency.http.put(f"{client.path}/plan", json={"plan_id": plan["id"]})) == (
        409,
        "plan_not_active",
    )
    assert refusal(await agency.http.post(f"{client.path}/subscription")) == (409, "plan_not_active")
    assert refusal(await agency.http.put(f"{client.path}/plan", json={"plan_id": "plan_none"})) == (404, "not_found")


async def test_a_plan_is_changed_or_removed_only_without_an_active_subscription(world: World, agency: Agency) -> None:
    """ "only without an active subscription (any not canceled)" """
    client, other = await agency.subscribed(), await agency.plan(currency="EUR")
    for days in (0, 8, 3):
        await world.advance(days=days)
        await client.reaches({0: "active", 8: "past_due", 3: "blocked"}[days])
        put = await agency.http.put(f"{client.path}/plan", json={"plan_id": other["id"]})
        assert refusal(put) == (409, "subscription_active")
        assert refusal(await agency.http.delete(f"{client.path}/plan")) == (409, "subscription_active")
    await client.cancel()
    assert (await agency.http.put(f"{client.path}/plan", json={"plan_id": other["id"]})).status_code == 200
    assert (await client.read("plan"))["id"] == other["id"]
    assert (await agency.http.delete(f"{client.path}/plan")).status_code == 204
    assert (await agency.http.get(f"{client.path}/plan")).status_code == 404


async def test_the_currency_does_not_change_in_mid_subscription(agency: Agency) -> None:
    plan = await agency.plan()
    client = await agency.client(plan=plan)
    await client.start()
    changed = await agency.http.patch(f"/v1/plans/{plan['id']}", json={"currency": "EUR"})
    assert refusal(changed) == (409, "subscription_active")
    await client.cancel()
    assert (await agency.http.patch(f"/v1/plans/{plan['id']}", json={"currency": "EUR"})).status_code == 200


async def test_a_client_sees_the_packs_assigned_to_it_and_no_others(world: World, agency: Agency) -> None:
    """ "`PUT …/packs` {pack_ids} = what this client sees" """
    first, second, hidden = [await agency.pack(name=name) for name in ("First", "Second", "Hidden")]
    client = await agency.client()
    wanted = [second["id"], first["id"]]
    assert (await agency.http.put(f"{client.path}/packs", json={"pack_ids": wanted})).json()["pack_ids"] == wanted
    own = await world.with_key(client.key)
    assert [pack["id"] for pack in (await own.get(f"{client.path}/packs")).json()["data"]] == wanted
    assert hidden["id"] not in (await own.get(f"{client.path}/packs")).text
    unknown = await agency.http.put(f"{client.path}/packs", json={"pack_ids": ["pack_none"]})
    assert refusal(unknown) == (404, "not_found")
    await agency.http.put(f"{client.path}/packs", json={"pack_ids": []})
    assert (await own.get(f"{client.path}/packs")).json()["data"] == []


async def test_a_new_client_is_an_account_of_its_agency_with_a_key(world: World, agency: Agency) -> None:
    """ "clients are accounts with the agency as parent" """
    answer = await agency.http.post("/v1/clients", json={"id": 4711, "name": "Acme", "email": "a@acme.example"})
    assert answer.status_code == 201
    assert answer.json()["id"] == 4711
    account = (await world.platform.get("/v1/accounts/4711")).json()
    assert (account["parent_id"], account["balance_cents"], account["email"]) == (agency.id, 0, "a@acme.example")
    own = await world.with_key(answer.json()["api_key"])
    assert (await own.get("/v1/clients/4711")).status_code == 200
    again = await agency.http.post("/v1/clients", json={"id": "4711", "name": "Other"})
    assert refusal(again) == (409, "account_exists")
    (opened,) = await world.events("4711", "account_opened")
    assert (opened["account_id"], opened["parent_id"]) == (4711, agency.id)
    assert (await agency.http.post("/v1/clients", json={"name": "Nameless"})).json()["id"].startswith("acct_")
    listed = (await agency.http.get("/v1/clients")).json()
    assert (listed["total"], listed["data"][1]["id"]) == (2, 4711)


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x", "id": "a b"}, {"name": "x", "email": "nonsense"}, []])
async def test_a_client_that_is_not_described_properly_is_refused(agency: Agency, body: Any) -> None:
    assert refusal(await agency.http.post("/v1/clients", json=body)) == (422, "invalid_request")


async def test_where_a_body_is_required_an_empty_one_is_no_json(agency: Agency) -> None:
    """ "Not JSON → 400 `invalid_json`" """
    client, plan, pack = await agency.client(), await agency.plan(), await agency.pack()
    for method, path in (
        ("POST", "/v1/plans"),
        ("PATCH", f"/v1/plans/{plan['id']}"),
        ("POST", "/v1/packs"),
        ("PATCH", f"/v1/packs/{pack['id']}"),
        ("POST", "/v1/clients"),
        ("PATCH", client.path),
        ("PUT", f"{client.path}/plan"),
        ("PUT", f"{client.path}/packs"),
    ):
        assert refusal(await agency.http.request(method, path)) == (400, "invalid_json"), path
