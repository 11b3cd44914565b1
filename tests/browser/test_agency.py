"""An agency and its client, side by side in two browsers."""

import re

from playwright.async_api import expect

from tests.browser.conftest import SignIn, System


async def test_an_agency_makes_an_offer_and_starts_a_client(system: System, sign_in: SignIn) -> None:
    agency = await system.account(name="Northline Voice", agency=True)
    page = await sign_in(agency["id"])
    await expect(page).to_have_url(re.compile("/agency$"))
    await page.get_by_label("Name").fill("Fern Street Bakery")
    await page.get_by_role("button", name="Add client").click()
    await expect(page.get_by_role("heading", name="Fern Street Bakery")).to_be_visible()
    await page.goto(f"{system.hosted.url}/agency/offers")
    await page.get_by_label("Name").first.fill("Voice 100")
    await page.get_by_label("Recurring fee").fill("49")
    await page.get_by_label("Included minutes").fill("100")
    await page.get_by_role("button", name="Make plan").click()
    await expect(page.get_by_text("$49.00 every month, 100 min included")).to_be_visible()
    await page.locator("#new-pack-name").fill("Extra 50")
    await page.locator("#new-pack-minutes").fill("50")
    await page.locator("#new-pack-price").fill("20")
    await page.get_by_role("button", name="Make pack").click()
    await page.goto(f"{system.hosted.url}/agency")
    await page.get_by_role("link", name="Fern Street Bakery").click()
    await page.get_by_label("Plan", exact=True).select_option(label="Voice 100")
    await page.get_by_role("button", name="Assign plan").click()
    await page.get_by_label("Extra 50").check()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Start subscription").click()
    await page.get_by_role("dialog").get_by_role("button", name="Start subscription").click()
    await expect(page.locator(".badge", has_text="Active")).to_be_visible()
    await page.get_by_role("button", name="Apply pack").click()
    await expect(page.locator("#requests li")).to_have_count(2)
    await page.get_by_role("button", name="Cancel subscription").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel subscription").click()
    await expect(page.locator(".badge", has_text="Canceled").first).to_be_visible()


async def test_the_agency_marks_paid_and_the_clients_banner_goes(system: System, sign_in: SignIn) -> None:
    agency = await system.account(name="Northline Voice", agency=True)
    key = agency["api_key"]
    client = await system.post("/v1/clients", {"name": "Fern Street Bakery"}, key=key)
    plan = {"name": "Voice 100", "recurring_fee_cents": 4900, "included_minutes": 100, "minute_rate_usd": "0.12"}
    made = await system.post("/v1/plans", plan, key=key)
    await system.post(f"/v1/clients/{client['id']}/plan", {"plan_id": made["id"]}, key=key, method="PUT")
    of_client = await sign_in(client["id"])
    of_client.on("dialog", lambda dialog: dialog.accept())
    await expect(of_client.locator(".banner")).to_contain_text("No running subscription")
    await of_client.get_by_role("button", name="Start subscription").click()
    await expect(of_client.locator(".banner")).to_contain_text("A payment is outstanding")
    of_agency = await sign_in(agency["id"])
    await of_agency.get_by_role("link", name="Fern Street Bakery").click()
    await of_agency.get_by_role("button", name="Other …").click()
    await of_agency.get_by_label("Status").select_option("overdue")
    await of_agency.get_by_role("button", name="Set").click()
    await expect(of_client.locator(".banner")).to_contain_text("A payment is past due")
    await of_agency.get_by_role("button", name="Mark paid").click()
    await expect(of_client.locator(".banner")).to_have_count(0)
    amount = of_client.get_by_role("button", name="$49.00")
    await amount.focus()
    await expect(of_client.get_by_role("tooltip", name=re.compile("recurring fee"))).to_be_visible()
    await of_client.keyboard.press("Escape")
    await expect(of_client.get_by_role("tooltip", name=re.compile("recurring fee"))).not_to_be_visible()
