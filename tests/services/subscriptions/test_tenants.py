"""Contract §0, Auth: a client sees its own billing, the platform may do everything. Strangers: `tests/tenants`."""

from typing import Any

import httpx

from tests.services.subscriptions.conftest import Agency, Client, World, refusal

AGENCY_ONLY: list[tuple[str, str, Any]] = [
    ("PATCH", "/v1/clients/{client}", {"disabled": True}),
    ("PUT", "/v1/clients/{client}/plan", {"plan_id": "{plan}"}),
    ("DELETE", "/v1/clients/{client}/plan", None),
    ("PUT", "/v1/clients/{client}/packs", {"pack_ids": []}),
    ("POST", "/v1/clients/{client}/packs/{pack}/apply", {"payment_status": "pending"}),
    ("POST", "/v1/clients/{client}/subscription/cancel", None),
    ("PATCH", "/v1/payment-requests/{request}", {"status": "paid"}),
]
CLIENT_TOO: list[tuple[str, str, Any]] = [
    ("GET", "/v1/clients/{client}", None),
    ("GET", "/v1/clients/{client}/plan", None),
    ("GET", "/v1/clients/{client}/packs", None),
    ("GET", "/v1/clients/{client}/subscription", None),
    ("GET", "/v1/clients/{client}/usage", None),
    ("GET", "/v1/clients/{client}/access", None),
    ("GET", "/v1/payment-requests/{request}", None),
    ("GET", "/v1/payment-requests?client_id={client}", None),
]
AGENCYS_OWN: list[tuple[str, str, Any]] = [
    ("GET", "/v1/plans/{plan}", None),
    ("PATCH", "/v1/plans/{plan}", {"status": "archived"}),
    ("GET", "/v1/packs/{pack}", None),
    ("PATCH", "/v1/packs/{pack}", {"name": "Mine now"}),
]


async def asked(http: httpx.AsyncClient, names: dict[str, str], method: str, path: str, body: Any) -> httpx.Response:
    if isinstance(body, dict):
        body = {key: value.format(**names) if isinstance(value, str) else value for key, value in body.items()}
    return await http.request(method, path.format(**names), json=body)


async def a_world_of_two(world: World) -> tuple[Agency, Client, Agency, Client, dict[str, str]]:
    """Two agencies with a client each; the names of what belongs to the first."""
    first, second = await world.agency(), await world.agency()
    plan, pack = await first.plan(), await first.pack()
    client, stranger = await first.client(plan=plan), await second.subscribed()
    await client.start()
    (request,) = await client.requests()
    names = {"client": client.id, "plan": plan["id"], "pack": pack["id"], "request": request["id"]}
    return first, client, second, stranger, names


async def test_a_client_reads_its_own_billing_and_changes_nothing(world: World) -> None:
    """ "a client's key … sees its own billing" """
    _, client, _, _, names = await a_world_of_two(world)
    own = await world.with_key(client.key)
    for route in CLIENT_TOO:
        assert (await asked(own, names, *route)).status_code == 200, route
    for route in (*AGENCY_ONLY, *AGENCYS_OWN):
        assert refusal(await asked(own, names, *route)) == (403, "forbidden"), route
    for path in ("/v1/plans", "/v1/packs", "/v1/clients"):
        assert refusal(await own.get(path)) == (403, "forbidden")
        assert refusal(await own.post(path, json={"name": "x", "minutes": 1, "price_cents": 1})) == (403, "forbidden")
    mine = (await own.get("/v1/payment-requests")).json()
    assert {request["account_id"] for request in mine["data"]} == {client.id}


async def test_the_platform_may_do_everything(world: World) -> None:
    """ "*Platform* key: everything" """
    agency, client, _, _, names = await a_world_of_two(world)
    for route in CLIENT_TOO:
        assert (await asked(world.platform, names, *route)).status_code == 200, route
    named = {"Ringfence-Account": agency.id}
    assert (await world.platform.get("/v1/plans", headers=named)).json()["total"] == 1
    made = await world.platform.post("/v1/clients", headers=named, json={"name": "By the platform"})
    assert made.json()["agency_id"] == agency.id
    assert (await world.platform.get("/v1/payment-requests", headers=named)).json()["total"] == 1
    assert refusal(await world.platform.get("/v1/plans")) == (422, "account_required")
    assert refusal(await world.platform.get("/v1/plans", headers={"Ringfence-Account": client.id}))[0] == 404
    assert (await world.platform.patch(client.path, json={"disabled": True})).status_code == 200


async def test_an_agency_is_no_client_of_itself(agency: Agency) -> None:
    assert refusal(await agency.http.get(f"/v1/clients/{agency.id}/usage")) == (404, "not_found")


async def test_an_ordinary_account_has_no_clients(world: World) -> None:
    opened = (await world.platform.post("/v1/accounts", json={"name": "Acme"})).json()
    own = await world.with_key(opened["api_key"])
    assert refusal(await own.post("/v1/clients", json={"name": "x"})) == (403, "forbidden")
    assert refusal(await own.get("/v1/payment-requests")) == (403, "forbidden")
