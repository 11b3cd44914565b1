"""Sign-in links and cookies (contract §0: "one-use link, 5 min → cookie HttpOnly, SameSite=Lax, 30 min; no Bearer")."""

import asyncio
from datetime import datetime, timedelta

from shared.sessions import COOKIE
from tests.services.portal.conftest import WithKey, World


async def test_a_link_signs_in_once(world: World) -> None:
    account = await world.account()
    link = await world.link(account["id"])
    browser = await world.browser()
    answer = await browser.get(link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/billing")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Max-Age=1800" in cookie
    again = await (await world.browser()).get(link)
    assert again.status_code == 410
    assert "can’t be used any more" in again.text
    assert "set-cookie" not in again.headers


async def test_of_ten_who_open_a_link_at_once_one_is_signed_in(world: World) -> None:
    link = await world.link((await world.account())["id"])
    answers = await asyncio.gather(*[(await world.browser()).get(link) for _ in range(10)])
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 9


async def test_a_link_and_a_cookie_expire(world: World) -> None:
    account = await world.account()
    answer = await world.platform.post(f"/v1/accounts/{account['id']}/portal-sessions")
    left = datetime.fromisoformat(answer.json()["expires_at"]) - world.hosted.host.clock.now()
    assert timedelta(minutes=4, seconds=50) < left <= timedelta(minutes=5)
    browser = await world.browser(await world.link(account["id"]))
    await world.advance(301)
    assert (await (await world.browser()).get(answer.json()["url"])).status_code == 410
    assert (await browser.get("/v1/billing")).status_code == 200
    await world.advance(1500)
    assert (await browser.get("/v1/billing")).status_code == 401


async def test_a_cookie_planted_before_sign_in_is_worth_nothing_after_it(world: World) -> None:
    """Session fixation: signing in makes a new cookie, whatever the browser brought."""
    planted = "planted-by-somebody-else"
    victim = await world.browser()
    victim.cookies.set(COOKIE, planted, domain="127.0.0.1")
    answer = await victim.get(await world.link((await world.account())["id"]))
    assert planted not in answer.headers["set-cookie"]
    attacker = await world.browser()
    attacker.cookies.set(COOKIE, planted)
    assert (await attacker.get("/v1/billing")).status_code == 401


async def test_a_cookie_is_no_key(world: World) -> None:
    browser = await world.browser(await world.link((await world.account())["id"]))
    cookie = browser.cookies[COOKIE]
    stranger = await world.browser()
    for authorization in (f"Bearer {cookie}", f"Bearer rf_page_{cookie}"):
        assert (await stranger.get("/v1/billing", headers={"Authorization": authorization})).status_code == 401
    # A request that brings a key is judged by the key alone.
    assert (await browser.get("/v1/billing", headers={"Authorization": "Bearer no"})).status_code == 401


async def test_who_may_make_links(world: World, with_key: WithKey) -> None:
    """Contract §4: the platform; "also by an agency for itself and its clients"."""
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    other = await world.account()
    of_agency, of_client = await with_key(agency["api_key"]), await with_key(client["api_key"])
    for account_id, status in ((agency["id"], 201), (client["id"], 201), (other["id"], 404), ("nobody", 404)):
        assert (await of_agency.post(f"/v1/accounts/{account_id}/portal-sessions")).status_code == status
    assert (await of_client.post(f"/v1/accounts/{client['id']}/portal-sessions")).status_code == 403
    assert (await of_agency.post("/v1/ops-sessions", json={"operator": "Olga"})).status_code == 403
    assert (await world.platform.post("/v1/ops-sessions", json={})).status_code == 422
    assert (await (await world.browser()).post("/v1/ops-sessions", json={})).status_code == 401


async def test_each_kind_of_session_has_its_home(world: World) -> None:
    agency = await world.account(agency=True)
    for link, home in ((await world.link(agency["id"]), "/agency"), (await world.ops_link(), "/ops")):
        assert (await (await world.browser()).get(link)).headers["location"] == home


async def test_a_session_reads_its_own_account(world: World) -> None:
    """Contract §0: "reads its account's §5–7 and events"."""
    mine, other = await world.account(), await world.account()
    browser = await world.browser(await world.link(mine["id"]))
    for path in ("/v1/billing", "/v1/billing/transactions", "/v1/billing/payment-methods", "/v1/billing/notice"):
        assert (await browser.get(path)).status_code == 200, path
    assert (await browser.get("/v1/wallet")).status_code == 200
    assert (await browser.get(f"/v1/accounts/{mine['id']}/events")).status_code == 200
    assert (await browser.get(f"/v1/accounts/{other['id']}/events")).status_code == 404
    named = {"Ringfence-Account": other["id"]}
    assert (await browser.get("/v1/billing", headers=named)).status_code == 404
    for path in ("/v1/accounts", f"/v1/accounts/{mine['id']}", "/v1/numbers", "/v1/holds", "/v1/plans"):
        assert (await browser.get(path)).status_code in (401, 403), path


async def test_a_session_of_an_agency_reads_its_clients(world: World) -> None:
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    stranger = await world.account(parent_id=(await world.account(agency=True))["id"])
    browser = await world.browser(await world.link(agency["id"]))
    assert [row["id"] for row in (await browser.get("/v1/clients")).json()["data"]] == [client["id"]]
    assert (await browser.get("/v1/billing")).status_code == 200
    assert (await browser.get(f"/v1/clients/{stranger['id']}/usage")).status_code == 404
    assert (await browser.get("/v1/billing", headers={"Ringfence-Account": client["id"]})).status_code == 404


async def test_changes_need_the_pages_token(world: World) -> None:
    """Contract §0: "with the page's CSRF token, may top up, change cards and auto-reload"."""
    browser = await world.browser(await world.link((await world.account())["id"]))
    other = await world.browser(await world.link((await world.account())["id"]))
    token = {"X-CSRF-Token": await world.csrf_token(browser)}
    not_ours = {"X-CSRF-Token": await world.csrf_token(other)}
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": "ü"}, not_ours):
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        assert (await browser.post("/v1/billing/setup-intent", headers=raw)).status_code == 403
    assert (await browser.post("/v1/billing/setup-intent", headers=token)).status_code == 201
    assert (await browser.post("/v1/billing/setup-checkout", headers=token)).status_code == 201
    change = {"auto_reload_enabled": False, "auto_reload_minimum_cents": 700}
    assert (await browser.patch("/v1/billing", json=change, headers=token)).status_code == 200
    assert (await browser.patch("/v1/wallet/auto-recharge", json={}, headers=token)).status_code == 200
    refused = await browser.post("/v1/billing/top-up", json={"amount_cents": 1000}, headers=token)
    assert refused.json()["error"]["code"] == "payment_method_required"
    gone = await browser.delete("/v1/billing/payment-methods/pm_none", headers=token)
    assert gone.json()["error"]["code"] == "payment_method_not_found"


async def test_even_with_the_token_a_session_may_do_nothing_else(world: World) -> None:
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    for account in (agency, client):
        browser = await world.browser(await world.link(account["id"]))
        token = {"X-CSRF-Token": await world.csrf_token(browser)}
        for method, path in (
            ("POST", "/v1/plans"),
            ("POST", "/v1/clients"),
            ("PATCH", f"/v1/clients/{client['id']}"),
            ("PUT", f"/v1/clients/{client['id']}/plan"),
            ("POST", f"/v1/clients/{client['id']}/subscription/cancel"),
            ("POST", f"/v1/accounts/{client['id']}/portal-sessions"),
            ("POST", f"/v1/accounts/{client['id']}/adjustments"),
            ("PUT", "/v1/prices"),
            ("POST", "/v1/usage"),
            ("POST", "/v1/test/clock"),
            ("POST", "/v1/ops-sessions"),
        ):
            answer = await browser.request(method, path, json={"operator": "me"}, headers=token)
            assert answer.status_code == 403, (method, path)


async def test_a_client_may_start_where_its_plan_allows(world: World, with_key: WithKey) -> None:
    """Contract §0: "and start a subscription where allowed"."""
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    twin = await world.account(parent_id=agency["id"])
    of_agency = await with_key(agency["api_key"])
    plan = {
        "name": "Voice",
        "currency": "USD",
        "minute_rate_usd": "0.10",
        "included_minutes": 10,
        "rhythm": "monthly",
        "rhythm_count": 1,
        "due_days": 7,
        "grace_days": 3,
        "packs_allowed": True,
    }
    made = await of_agency.post("/v1/plans", json=plan)
    assert made.status_code == 201, made.text
    for account in (client, twin):
        await of_agency.put(f"/v1/clients/{account['id']}/plan", json={"plan_id": made.json()["id"]})
    browser = await world.browser(await world.link(client["id"]))
    token = {"X-CSRF-Token": await world.csrf_token(browser)}
    assert (await browser.post(f"/v1/clients/{twin['id']}/subscription", headers=token)).status_code == 403
    assert (await browser.post(f"/v1/clients/{client['id']}/subscription")).status_code == 403
    started = await browser.post(f"/v1/clients/{client['id']}/subscription", headers=token)
    assert started.status_code == 201, started.text


async def test_an_operators_cookie_opens_no_account(world: World) -> None:
    browser = await world.browser(await world.ops_link())
    assert (await browser.get("/v1/billing")).status_code == 403
