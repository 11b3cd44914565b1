"""What other sites, other accounts and hostile names can't do to the pages (contract §0, §9.6; issue, "Prove it")."""

from typing import Any

import httpx
import pytest

from shared.sessions import COOKIE
from tests.conftest import PLATFORM_KEY, HostServices
from tests.services.portal.conftest import WithKey, World

QUEUE = "/ops/dead/ledger.charge_usage"
OF_OTHERS: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://{host}"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://{host}.evil.example"},
    {"Origin": "null"},
)
OF_OURS: tuple[dict[str, str], ...] = (
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://{host}"},
)
PAGES = ("/billing", "/agency", "/agency/offers", "/agency/clients/{client}", "/ops", QUEUE, "/signin/used", "/no-such")
NAME = """"><img src=x onerror=alert(1)>'<b>{{7*7}}</b>"""
ESCAPED = "&#34;&gt;&lt;img src=x onerror=alert(1)&gt;&#39;&lt;b&gt;{{7*7}}&lt;/b&gt;"


def named(headers: dict[str, str], world: World) -> dict[str, str]:
    return {name: value.format(host=httpx.URL(world.url).netloc.decode()) for name, value in headers.items()}


async def test_no_page_of_another_site_changes_anything_even_with_the_token(world: World) -> None:
    """Cross-site requests are refused by where they come from, before the token is looked at."""
    account = await world.account()
    browser = await world.browser(await world.link(account["id"]))
    operator = await world.browser(await world.ops_link())
    token, of_ops = await world.csrf_token(browser), await world.csrf_token(operator)
    form = {"csrf": token, "minimum": "5", "amount": "20"}
    letter = {"csrf": of_ops, "action": "discard", "all_of": "nothing", "reason": "why"}
    for headers in OF_OTHERS:
        theirs = named(headers, world)
        answers = [
            await browser.post("/billing/auto-reload", data=form, headers=theirs),
            await browser.post("/signout", data=form, headers=theirs),
            await browser.post("/v1/billing/setup-intent", headers={**theirs, "X-CSRF-Token": token}),
            await browser.patch("/v1/billing", json={}, headers={**theirs, "X-CSRF-Token": token}),
            await operator.post(QUEUE, data=letter, headers=theirs),
        ]
        assert [answer.status_code for answer in answers] == [403] * 5, headers
    for headers in OF_OURS:
        ours = {**named(headers, world), "X-CSRF-Token": token}
        assert (await browser.post("/v1/billing/setup-intent", headers=ours)).status_code == 201, headers
        assert (await operator.post(QUEUE, data=letter, headers=named(headers, world))).status_code == 303, headers
    assert (await browser.get("/v1/billing")).status_code == 200  # nobody was signed out


async def test_a_key_is_no_browser_and_may_come_from_anywhere(world: World, with_key: WithKey) -> None:
    client = await with_key((await world.account())["api_key"])
    answer = await client.post("/v1/billing/setup-intent", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 201


async def test_every_page_and_every_refusal_refuses_to_be_framed(world: World) -> None:
    """Clickjacking, and the strict policy, on what is shown and on what is refused."""
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    browsers = [await world.browser(link) for link in (await world.link(agency["id"]), await world.ops_link())]
    for browser in (*browsers, await world.browser()):
        for path in PAGES[:-1]:
            page = await browser.get(path.format(client=client["id"]))
            policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
            assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'", path
            assert policy["form-action"] == policy["style-src"] == "'self'", path
            assert "unsafe" not in page.headers["content-security-policy"]
            assert page.headers["x-frame-options"] == "DENY", path
            assert page.headers["x-content-type-options"] == "nosniff", path
            assert page.headers["cache-control"] == "no-store", path


async def test_no_page_carries_script_or_style_of_its_own(world: World) -> None:
    """Without `unsafe-inline` it would not run; that there is none shows that nothing was meant to."""
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    customer, operator = await world.account(), await world.ops_link()
    seen = 0
    for link, paths in (
        (await world.link(customer["id"]), ("/billing",)),
        (await world.link(agency["id"]), ("/agency", "/agency/offers", f"/agency/clients/{client['id']}", "/billing")),
        (await world.link(client["id"]), ("/billing",)),
        (operator, ("/ops", QUEUE)),
    ):
        browser = await world.browser(link)
        for path in paths:
            html = (await browser.get(path)).text
            assert "<script>" not in html
            assert " style=" not in html
            assert "<style" not in html
            assert "javascript:" not in html
            assert " onclick=" not in html
            assert html.count("<script") == html.count('<script src="/assets/')
            seen += 1
    assert seen == 8


async def test_html_in_names_is_text_everywhere(world: World, with_key: WithKey) -> None:
    """Client, plan, pack, agency, description, operator and reason (numbers and ids can't hold any): shown as they were given, escaped."""
    agency = await world.account(name=NAME, agency=True)
    of_agency = await with_key(agency["api_key"])

    async def make(method: str, path: str, body: Any) -> Any:
        answer = await of_agency.request(method, path, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    client = await make("POST", "/v1/clients", {"name": NAME})
    terms = {"name": NAME, "recurring_fee_cents": 100, "included_minutes": 1, "packs_allowed": True}
    plan = await make("POST", "/v1/plans", terms)
    pack = await make("POST", "/v1/packs", {"name": NAME, "minutes": 5, "price_cents": 100})
    path = f"/v1/clients/{client['id']}"
    await make("PUT", f"{path}/plan", {"plan_id": plan["id"]})
    await make("PUT", f"{path}/packs", {"pack_ids": [pack["id"]]})
    await make("POST", f"{path}/subscription", {})
    applied = await make("POST", f"{path}/packs/{pack['id']}/apply", {"payment_status": "pending"})
    await make("PATCH", f"/v1/payment-requests/{applied['id']}", {"external_reference": NAME})
    adjusted = {"amount_cents": 500, "description": NAME}
    answer = await world.platform.post(f"/v1/accounts/{client['id']}/adjustments", json=adjusted)
    assert answer.status_code == 201, answer.text
    operator = await world.browser(await world.ops_link(NAME))
    settled = {"csrf": await world.csrf_token(operator), "action": "discard", "all_of": NAME, "reason": NAME}
    assert (await operator.post(QUEUE, data=settled)).status_code == 303
    of_client, of_agency_page = [await world.browser(await world.link(it["id"])) for it in (client, agency)]
    for browser, page, least in (
        (of_client, "/billing", 5),
        (of_agency_page, "/agency", 3),
        (of_agency_page, "/agency/offers", 3),
        (of_agency_page, f"/agency/clients/{client['id']}", 6),
        (of_agency_page, "/billing", 1),
        (operator, "/ops", 3),
    ):
        html = (await browser.get(page)).text
        assert html.count(ESCAPED) >= least, page
        assert "<img" not in html, page
        assert "<b>" not in html, page
        assert "49</b>" not in html, page


async def test_the_session_of_one_account_reads_nothing_of_another(world: World) -> None:
    """Contract §9.6: "No account reads or changes another's data", on pages and on the API behind them."""
    agency = await world.account(name="Northline Voice", agency=True)
    client = await world.account(parent_id=agency["id"], name="Fern Street Bakery")
    rival = await world.account(name="Rival Voice", agency=True)
    for link in (await world.link(rival["id"]), await world.link((await world.account())["id"])):
        browser = await world.browser(link)
        token = await world.csrf_token(browser)
        for path in (f"/agency/clients/{client['id']}", f"/v1/clients/{client['id']}/usage"):
            answer = await browser.get(path)
            assert answer.status_code in (403, 404), path
            assert "Fern Street" not in answer.text
        for action in ("cancel", "disable", "plan", "packs", "apply", "start", "requests/preq_1"):
            path = f"/agency/clients/{client['id']}/{action}"
            assert (await browser.post(path, data={"csrf": token, "status": "paid"})).status_code in (403, 404), path
        start = await browser.post(f"/v1/clients/{client['id']}/subscription", headers={"X-CSRF-Token": token})
        assert start.status_code in (403, 404)
        assert (await browser.get(f"/v1/payment-requests?client_id={client['id']}")).json().get("data", []) == []


async def test_receipts_of_others_are_not_found(world: World) -> None:
    mine, other = await world.account(), await world.account()
    browser = await world.browser(await world.link(mine["id"]))
    theirs = await (await world.browser(await world.link(other["id"]))).get("/v1/billing/transactions")
    assert (await browser.get(f"/billing/receipts/{theirs.json()[0]['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("public_url", "is_secure"), [("https://billing.example", True), ("http://here.example", False)]
)
async def test_cookies_are_secure_where_browsers_come_by_https(
    host_services: HostServices, monkeypatch: pytest.MonkeyPatch, public_url: str, is_secure: bool
) -> None:
    """TLS ends in front of us: the setting `RINGFENCE_PUBLIC_URL` says so, and links lead there."""
    monkeypatch.setenv("RINGFENCE_PUBLIC_URL", public_url)
    hosted = await host_services()
    async with httpx.AsyncClient(base_url=hosted.url, timeout=30) as client:
        headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
        made = await client.post("/v1/accounts", json={"id": "a", "name": "A"}, headers=headers)
        assert made.status_code == 201, made.text
        for path, body in (("/v1/accounts/a/portal-sessions", None), ("/v1/ops-sessions", {"operator": "Olga"})):
            link = (await client.post(path, json=body, headers=headers)).json()["url"]
            assert link.startswith(f"{public_url}/signin/")
            cookie = (await client.get(link.removeprefix(public_url))).headers["set-cookie"]
            assert ("Secure" in cookie) is is_secure
            assert cookie.startswith(f"{COOKIE}=")
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie
            assert "Path=/" in cookie
            assert "Domain" not in cookie
