"""Operators see dead letters and deal with them; who and why is written down."""

import asyncio

from playwright.async_api import expect

from tests.browser.conftest import SignIn, System

QUEUE = "ledger.charge_usage"


async def dead(system: System, count: int) -> None:
    for _ in range(100):
        if await system.hosted.host.broker.depth(f"{QUEUE}.dead") == count:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(await system.hosted.host.broker.depth(f"{QUEUE}.dead"))


async def test_a_letter_is_shown_replayed_and_discarded(system: System, sign_in: SignIn) -> None:
    before = await system.hosted.host.broker.depth(f"{QUEUE}.dead") or 0
    account = await system.account()
    await system.publish("sms.exploded", {"account_id": account["id"], "note": "<b>bold</b>"})
    await dead(system, before + 1)
    page = await sign_in()
    await page.get_by_role("link", name=f"dead letters of {QUEUE}").click()
    letter = page.locator("section.sheet", has_text="sms.exploded").last
    await letter.get_by_text("Show the body").click()
    await expect(letter.locator("pre")).to_contain_text("<b>bold</b>")
    await letter.get_by_role("button", name="Replay").click()
    await page.get_by_role("dialog").get_by_label("Why?").fill("they have a new release")
    await page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    await page.wait_for_url("**/ops/dead/*")
    await dead(system, before + 1)  # the same fault: it is dead again
    await page.goto(f"{system.hosted.url}/ops/dead/{QUEUE}")
    letter = page.locator("section.sheet", has_text="sms.exploded").last
    await letter.get_by_role("button", name="Discard").click()
    await page.get_by_role("dialog").get_by_label("Why?").fill("a test of theirs")
    await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    await page.wait_for_url("**/ops/dead/*")
    await dead(system, before)
    await page.goto(f"{system.hosted.url}/ops")
    done = page.locator("section", has=page.get_by_role("heading", name="What operators did"))
    await expect(done).to_contain_text("Olga: discard one dead letter")
    await expect(done).to_contain_text("a test of theirs")
    await expect(done).to_contain_text("they have a new release")
