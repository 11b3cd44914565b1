"""Pages over HTTP: who may see them, what headers they carry, what their forms need."""

import asyncio

import httpx
import pytest

from services.everything import QUEUES, SERVICES
from services.portal.chart import spend_chart
from services.portal.customer import minute_cents, suggested_cents
from services.portal.service import PORTAL
from services.portal.settings import PortalSettings
from services.portal.words import cents_of, money
from shared.contracts.queues_v1 import WORK_QUEUES
from tests.conftest import PLATFORM_KEY, HostServices
from tests.services.portal.conftest import WithKey, World


async def test_pages_let_nothing_in_that_is_not_ours(world: World) -> None:
    """Issue: "strict CSP"; clickjacking."""
    browser = await world.browser(await world.link((await world.account())["id"]))
    page = await browser.get("/billing")
    assert page.status_code == 200
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert "//unpkg" not in page.text


def test_the_real_provider_s_script_is_let_in_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the stand-in's address it is Stripe's own script, on `/billing` alone."""
    for name in ("RINGFENCE_STRIPE_API_URL", "RINGFENCE_STRIPE_PUBLISHABLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = PortalSettings()
    assert settings.card_script == "https://js.stripe.com/v3/"
    assert all(origin.startswith("https://") and origin.endswith(".stripe.com") for origin in settings.card_origins)


async def test_each_page_is_for_its_kind_of_session(world: World) -> None:
    customer = await world.browser(await world.link((await world.account())["id"]))
    agency = await world.browser(await world.link((await world.account(agency=True))["id"]))
    operator = await world.browser(await world.ops_link())
    nobody = await world.browser()
    expected = {
        "/billing": (200, 200, 401, 401),
        "/agency": (403, 200, 401, 401),
        "/agency/offers": (403, 200, 401, 401),
        "/ops": (401, 401, 200, 401),
        "/ops/dead/ledger.charge_usage": (401, 401, 200, 401),
    }
    for path, statuses in expected.items():
        for browser, status in zip((customer, agency, operator, nobody), statuses, strict=True):
            assert (await browser.get(path)).status_code == status, path


async def test_an_agency_sees_its_own_clients_only(world: World) -> None:
    agency = await world.account(agency=True)
    stranger = await world.account(parent_id=(await world.account(agency=True))["id"])
    browser = await world.browser(await world.link(agency["id"]))
    assert (await browser.get(f"/agency/clients/{stranger['id']}")).status_code == 404
    token = {"csrf": await world.csrf_token(browser)}
    closed = await browser.post(f"/agency/clients/{stranger['id']}/disable", data=token)
    assert closed.status_code == 404
    for id in ("..%2F..%2Faccounts", "%00", "a%20b", "x" * 129):
        assert (await browser.get(f"/agency/clients/{id}")).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/billing/auto-reload", "/billing/cards/pm_1/default", "/billing/cards/pm_1/remove", "/billing/subscription"],
)
async def test_forms_need_the_pages_token(world: World, path: str) -> None:
    browser = await world.browser(await world.link((await world.account())["id"]))
    for form in ({}, {"csrf": ""}, {"csrf": "wrong"}):
        assert (await browser.post(path, data=form)).status_code == 403


async def test_what_operators_do_needs_a_token_and_a_reason(world: World) -> None:
    browser = await world.browser(await world.ops_link())
    token = await world.csrf_token(browser)
    form = {"action": "discard", "all_of": "unknown_type"}
    path = "/ops/dead/ledger.charge_usage"
    assert (await browser.post(path, data={**form, "reason": "why"})).status_code == 403
    assert (await browser.post(path, data={**form, "csrf": token})).status_code == 422
    assert (await browser.post(path, data={**form, "csrf": token, "reason": " "})).status_code == 422
    assert (await browser.post("/ops/dead/amq.gen", data={**form, "csrf": token, "reason": "why"})).status_code == 404
    assert (await browser.post(path, data={**form, "csrf": token, "reason": "why"})).status_code == 303
    assert "Olga" in (await browser.get("/ops")).text


async def test_signing_out_ends_the_session_at_once(world: World) -> None:
    browser = await world.browser(await world.link((await world.account())["id"]))
    kept = dict(browser.cookies)
    assert (await browser.post("/signout", data={"csrf": "wrong"})).status_code == 303
    thief = await world.browser()
    thief.cookies.update(kept)
    assert (await thief.get("/v1/billing")).status_code == 200
    token = await world.csrf_token(thief)
    await thief.post("/signout", data={"csrf": token})
    later = await world.browser()
    later.cookies.update(kept)
    assert (await later.get("/v1/billing")).status_code == 401


async def test_the_csv_adds_up_to_the_balance(world: World) -> None:
    account = await world.account(signup_credit_cents=1234)
    browser = await world.browser(await world.link(account["id"]))
    csv = await browser.get("/billing/transactions.csv?kind=&start_date=&end_date=")
    assert csv.headers["content-type"].startswith("text/csv")
    assert "12.340000" in csv.text


async def test_the_portal_alone_asks_the_others_over_http(
    host_services: HostServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design §2: docker-compose.yml gives each service its own container, and a proxy in front."""
    others = await host_services(*(service for service in SERVICES if service is not PORTAL))
    monkeypatch.setenv("RINGFENCE_API_URL", others.url)
    alone = await host_services(PORTAL)
    headers = {"Authorization": f"Bearer {PLATFORM_KEY}"}
    async with httpx.AsyncClient(timeout=30, headers=headers) as platform:
        body = {"id": "apart", "name": "Blue Door Dental", "signup_credit_cents": 4321}
        assert (await platform.post(f"{others.url}/v1/accounts", json=body)).status_code == 201
        link = (await platform.post(f"{alone.url}/v1/accounts/apart/portal-sessions")).json()["url"]
    async with httpx.AsyncClient(base_url=alone.url, timeout=30) as browser:
        await browser.get(link)
        assert "$43.21" in (await browser.get("/billing")).text
        setup = await browser.get("/billing/setup-checkout")
        assert (setup.status_code, "/c/pay/" in setup.headers["location"]) == (303, True)


def test_the_queues_the_page_shows_are_those_that_are() -> None:
    assert set(WORK_QUEUES) == set(QUEUES)


def test_words() -> None:
    assert [money(cents) for cents in (0, -16, 123_456_789)] == ["$0.00", "−$0.16", "$1,234,567.89"]
    assert money(1050, "USDT") == "10.50 USDT"
    assert [cents_of(text) for text in ("25", "$1,250.5", "0.07", ".", "", "-1", "1e3", "٣", "1.234")] == [
        2500, 125_050, 7, None, None, None, None, None, None,
    ]  # fmt: skip


def test_what_is_suggested_for_auto_reload() -> None:
    """Contract §8: "suggests 10 % of the weekly burn as threshold, warns below one minute's buffer"."""
    assert [suggested_cents(daily) for daily in (None, 0, 5, 100, 1000, 1001)] == [None, None, 4, 70, 700, 701]
    book = [
        {"item": "voice", "price_usd": "0.10", "per": "minute"},
        {"item": "telephony", "price_usd": "0.085", "per": "minute"},
        {"item": "recording", "price_usd": "0.02", "per": "minute"},
    ]
    assert minute_cents({"items": book}) == 19
    assert minute_cents(None) == 20


def test_the_chart_stacks_what_each_day_cost() -> None:
    from datetime import date

    today = date(2026, 3, 1)
    moved = [(today, "call", -1_500_000), (today, "sms", -500_000), (today, "topup", 9_000_000)]
    chart = spend_chart([*moved, (date(2026, 1, 1), "call", -(10**9))], today=today)
    assert (len(chart.bars), chart.top_cents, chart.total_cents) == (30, 200, 200)
    last = chart.bars[-1]
    assert [(block.kind, block.y, block.height) for block in last.blocks] == [("call", 35, 105), ("sms", 0, 35)]


async def test_a_suspension_by_hand_is_not_said_to_end_by_paying(world: World) -> None:
    """Contract §5: "Manual suspensions stay"."""
    account = await world.account(signup_credit_cents=500)
    browser = await world.browser(await world.link(account["id"]))
    assert "Suspended" not in (await browser.get("/billing")).text
    await world.platform.post(f"/v1/accounts/{account['id']}/suspend", json={"reason": "abuse"})
    page = (await browser.get("/billing/parts/wallet")).text
    assert "Suspended" in page
    assert "until it is lifted" in page
    assert "Adding funds" not in page
    await world.platform.post(f"/v1/accounts/{account['id']}/reinstate")
    await world.platform.post(
        f"/v1/accounts/{account['id']}/adjustments", json={"amount_cents": -600, "description": "x"}
    )
    async with asyncio.timeout(20):
        while "Suspended" not in (page := (await browser.get("/billing/parts/wallet")).text):  # noqa: ASYNC110
            await asyncio.sleep(0.03)
    assert "Adding funds brings everything back at once." in page


async def test_an_agency_finds_its_way_between_its_pages(world: World) -> None:
    """Contract §8: "The balance stands top right as **Wallet** and leads to Add Funds, Auto-recharge, Transactions"."""
    agency = await world.account(agency=True, signup_credit_cents=4321)
    browser = await world.browser(await world.link(agency["id"]))
    for path in ("/agency", "/agency/offers", "/billing"):
        page = (await browser.get(path)).text
        assert ">Wallet</span>" in page
        assert "$43.21" in page
        for target in ('href="/agency"', 'href="/agency/offers"', 'href="/billing"'):
            assert target in page, path
        for word in ("Add Funds", "Auto-recharge", "Transactions"):
            assert word in page, path


async def test_usage_is_shown_only_of_a_running_subscription(world: World, with_key: WithKey) -> None:
    """Before the start the plan says what there will be; bars of 0 of 0 minutes would say that there is nothing."""
    agency = await world.account(agency=True)
    client = await world.account(parent_id=agency["id"])
    of_agency = await with_key(agency["api_key"])
    terms = {"name": "Voice", "currency": "USD", "minute_rate_usd": "0.12", "included_minutes": 10}
    plan = (await of_agency.post("/v1/plans", json={**terms, "chats_per_minute": 4})).json()
    await of_agency.put(f"/v1/clients/{client['id']}/plan", json={"plan_id": plan["id"]})
    browser = await world.browser(await world.link(client["id"]))
    page = (await browser.get("/billing")).text
    assert "Usage This Period" in page
    assert "Never expires" in page
    assert "of 0 min" not in page
    assert "counted from the day a subscription starts" in page
    assert (await of_agency.post(f"/v1/clients/{client['id']}/subscription")).status_code == 201
    page = (await browser.get("/billing")).text
    assert "of 10 min" in page
    assert "40 chats in all" in page
    assert "$0.12 per minute" in page
