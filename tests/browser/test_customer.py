"""A customer's page, driven as a person would."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import SignIn, System

BALANCE = "#wallet [data-balance]"
HOSTILE = "<img src=x onerror=document.title='taken'>"


async def test_the_balance_changes_while_a_call_is_billed(system: System, sign_in: SignIn) -> None:
    """Live over SSE; the call's components on demand; and a name that is HTML is text."""
    account = await system.account(name=HOSTILE)
    page = await sign_in(account["id"])
    await expect(page).to_have_url(re.compile("/billing$"))
    await expect(page.locator(BALANCE)).to_have_text("$10.00")
    await system.call(account["id"], 150)
    await expect(page.locator(BALANCE)).to_have_text("$9.46")
    await expect(page.locator(".wallet [data-balance]")).to_have_text("$9.46")
    await expect(page.locator("#spend")).to_contain_text("Calls $0.54")
    await page.get_by_text("Call billing: 3 minutes × $0.18").click()
    parts = page.locator(".inner tr", has_text="Telephony")
    await expect(parts).to_contain_text("3 minutes × $0.08")
    await expect(parts).to_contain_text("$0.24")
    await expect(page.locator(".brand")).to_contain_text(HOSTILE)
    assert await page.locator("main img, .brand img").count() == 0
    assert await page.title() == f"Billing – {HOSTILE}"


async def test_funds_are_added_within_bounds(system: System, sign_in: SignIn) -> None:
    account = await system.account()
    await system.save_card(account)
    page = await sign_in(account["id"])
    for typed in ("4.99", "10000.01", "-5", "1e3", "five"):
        await page.get_by_label("Or another amount").fill(typed)
        await page.get_by_role("button", name="Add funds").click()
        await expect(page.locator("#top-up-said")).to_have_text("Enter an amount from $5.00 to $10,000.00.")
        await expect(page.get_by_label("Or another amount")).to_be_focused()
    await system.balance_is(account, 1000)
    await page.get_by_role("radio", name="$50").check()
    await page.get_by_role("button", name="Add funds").click()
    await expect(page.locator("#top-up-said")).to_have_text("$50.00 added. Thank you.")
    await expect(page.locator(BALANCE)).to_have_text("$60.00")
    await expect(page.locator("#transactions").get_by_role("link", name="Receipt")).to_be_visible()


async def test_the_bank_asks_before_funds_are_added(system: System, sign_in: SignIn) -> None:
    """3-D Secure: once denied, once answered."""
    account = await system.account()
    await system.save_card(account, "pm_card_authenticationRequired")
    page = await sign_in(account["id"])
    await page.get_by_label("Or another amount").fill("12.50")
    await page.get_by_role("button", name="Add funds").click()
    bank = page.frame_locator("dialog iframe")
    await bank.get_by_role("button", name="Fail authentication").click()
    await expect(page.locator("#top-up-said[data-tone=bad]")).to_contain_text(re.compile("authenticat", re.I))
    await expect(page.locator(BALANCE)).to_have_text("$10.00")
    await page.get_by_role("button", name="Add funds").click()
    await bank.get_by_role("button", name="Complete authentication").click()
    await expect(page.locator("#top-up-said")).to_contain_text("Confirmed")
    await expect(page.locator(BALANCE)).to_have_text("$22.50")


async def test_declined_then_a_new_card_then_reinstated(system: System, sign_in: SignIn) -> None:
    """Contract §5, Suspension and notice: a charge fails, the modal says so, a new card brings everything back."""
    account = await system.account(signup_credit_cents=300, auto_charge=True)
    await system.save_card(account, "pm_card_chargeCustomerFail")
    page = await sign_in(account["id"])
    await system.call(account["id"], 25 * 60)
    await expect(page.locator("#wallet")).to_contain_text("Suspended")
    await system.refused_call(account)
    notice = page.locator("dialog[data-notice]")
    await expect(notice).to_be_visible()
    await expect(notice.locator(".notice")).to_have_text("We couldn\N{RIGHT SINGLE QUOTATION MARK}t charge your card.")
    await notice.get_by_role("link", name="Go to billing").click()
    await expect(page.locator("dialog[data-notice]")).not_to_be_visible()
    await page.get_by_role("link", name="Add another card").click()
    await page.get_by_label("Card number").fill("4242424242424242")
    await page.get_by_role("button", name="Save card").click()
    await expect(page).to_have_url(re.compile(r"/billing\?session="))
    await expect(page.locator("#wallet")).not_to_contain_text("Suspended")
    await expect(page.locator(BALANCE)).to_have_text(re.compile(r"^\$2\d\.\d\d$"))


async def test_without_a_card_the_notice_leads_to_the_hosted_page(system: System, sign_in: SignIn) -> None:
    account = await system.account(signup_credit_cents=100)
    page = await sign_in(account["id"])
    notice = page.locator("dialog[data-notice]")
    await expect(notice.locator(".notice")).to_have_text("Add a payment method to keep your number active.")
    await page.keyboard.press("Escape")
    await page.reload()
    await expect(page.locator("#wallet")).to_be_visible()
    await expect(page.locator("dialog[data-notice]")).not_to_be_visible()  # once per browser session
    await page.get_by_role("link", name="Add payment method").last.click()
    await expect(page.get_by_role("heading", name="Save a card")).to_be_visible()


async def test_auto_recharge_says_what_it_will_do(system: System, sign_in: SignIn) -> None:
    account = await system.account()
    await system.save_card(account)
    page = await sign_in(account["id"])
    said, warned = page.locator("[data-sentence]"), page.locator("[data-buffer]")
    await page.get_by_label("When the balance falls below").fill("0.05")
    await expect(warned).to_be_visible()
    await page.get_by_label("When the balance falls below").fill("8")
    await expect(warned).not_to_be_visible()
    await page.get_by_label("charge my card").fill("30")
    await page.get_by_label("but never more in a month").fill("100")
    await expect(said).to_have_text("Off: nothing is charged by itself.")
    await page.get_by_label("Recharge automatically").check()
    await expect(said).to_have_text(
        "When your balance falls below $8.00, we charge your default card $30.00, at most $100.00 in a calendar month."
    )
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#auto-recharge .badge")).to_have_text("On")
    await system.call(account["id"], 20 * 60)
    await expect(page.locator(BALANCE)).to_have_text("$36.40")


async def test_cards_are_made_default_and_removed(system: System, sign_in: SignIn) -> None:
    account = await system.account()
    await system.save_card(account, "pm_card_visa")
    await system.save_card(account, "pm_card_mastercard")
    page = await sign_in(account["id"])
    cards = page.locator("#cards li")
    await expect(cards).to_have_count(2)
    await page.get_by_role("button", name=re.compile("Make visa", re.I)).click()
    await expect(cards.filter(has_text="Visa")).to_contain_text("Default")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name=re.compile("Remove mastercard", re.I)).click()
    await expect(cards).to_have_count(1)


async def test_transactions_are_paged_filtered_and_downloaded(system: System, sign_in: SignIn) -> None:
    account = await system.account()
    for cents in range(1, 27):
        body = {"amount_cents": cents, "description": f"Correction {cents}"}
        await system.post(f"/v1/accounts/{account['id']}/adjustments", body)
    page = await sign_in(account["id"])
    rows = page.locator(".ledger > tbody > tr")
    await expect(rows).to_have_count(25)
    await page.get_by_role("link", name="Older").click()
    await expect(rows).to_have_count(2)
    await page.get_by_role("link", name="Newer").click()
    await expect(rows).to_have_count(25)
    await page.get_by_label("Kind").select_option("credit")
    await expect(rows).to_have_count(1)
    await page.get_by_label("Kind").select_option("debit")
    await expect(page.locator("#transactions")).to_contain_text("Nothing matches.")
    await page.get_by_label("Kind").select_option("adjustment")
    await expect(rows).to_have_count(25)
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Download CSV").click()
    file = Path(await (await waiting.value).path())
    lines = file.read_text("utf-8").strip().splitlines()  # noqa: ASYNC240
    assert len(lines) == 1 + 26  # what is filtered, all pages of it


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there, as one without a mouse would."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


async def test_everything_is_done_by_keyboard_alone(system: System, sign_in: SignIn) -> None:
    account = await system.account()
    await system.save_card(account)
    await system.call(account["id"], 60)
    await system.balance_is(account, 982)
    page = await sign_in(account["id"])
    await page.keyboard.press("Tab")
    await expect(page.get_by_text("Skip to content")).to_be_focused()
    await tab_to(page, ".wallet summary")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Add Funds")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".wallet summary")).to_be_focused()
    await tab_to(page, "#amount")
    await page.keyboard.type("20")
    await tab_to(page, "[data-top-up] button")
    await page.keyboard.press("Enter")
    await expect(page.locator(BALANCE)).to_have_text("$29.82")
    await tab_to(page, "#auto-recharge [name=enabled]")
    await page.keyboard.press("Space")
    await tab_to(page, "#auto-recharge form > button:not([type])")
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"  # where one is, is seen
    await page.keyboard.press("Enter")
    await expect(page.locator("#auto-recharge .badge")).to_have_text("On")
    await tab_to(page, ".what summary")
    await page.keyboard.press("Enter")
    await expect(page.locator(".inner").first).to_be_visible()


async def test_news_that_comes_while_a_section_is_fetched_is_shown(system: System, sign_in: SignIn) -> None:
    """A section is asked for again when something happened after it was asked for, and when it is let go of."""
    account = await system.account()
    page = await sign_in(account["id"])
    released = asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await released.wait()
        await route.fulfill(response=answer)

    await page.route("**/billing/parts/wallet", late, times=1)
    async with page.expect_request("**/billing/parts/wallet"):
        await system.call(account["id"], 60)
    await system.call(account["id"], 60)
    await expect(page.locator(".wallet [data-balance]")).to_have_text("$9.64")  # told, while the section is on its way
    released.set()
    await expect(page.locator("#wallet .facts")).to_contain_text("$0.36")
    first = page.locator("#transactions .what summary").first
    await expect(page.locator(".ledger > tbody > tr")).to_have_count(3)
    await first.click()  # somebody reads
    await system.call(account["id"], 60)
    await expect(page.locator("#wallet .facts")).to_contain_text("$0.54")
    await expect(page.locator(".ledger > tbody > tr")).to_have_count(3)
    await first.click()
    await page.locator("#main").focus()  # and is done
    await expect(page.locator(".ledger > tbody > tr")).to_have_count(4)
