"""Operators see dead letters and deal with them; who and why is written down."""

from playwright.async_api import Page, expect

from tests.browser.conftest import SignIn, System

QUEUE = "ledger.charge_usage"


async def confirm(page: Page, button: str, reason: str) -> None:
    """The dialog that every action opens; it takes the keyboard."""
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_label("Why?")).to_be_focused()
    await page.keyboard.type(reason)
    await expect(dialog.get_by_role("button", name=button)).to_be_enabled()
    await page.keyboard.press("Enter")


async def test_letters_are_shown_replayed_and_discarded(system: System, sign_in: SignIn) -> None:
    broker = system.hosted.host.broker
    before = await broker.depth(f"{QUEUE}.dead") or 0
    account = await system.account()
    for note in ("<b>bold</b>", "second", "third"):
        await system.publish("sms.exploded", {"account_id": account["id"], "note": note})
    await system.dead_letters(QUEUE, at_least=before + 3)
    page = await sign_in()
    await expect(page.locator(".tile", has_text="Dead letters")).to_contain_text(str(before + 3))
    await expect(page.locator(".tile", has_text="Dead letters")).to_contain_text("oldest")
    await page.get_by_role("link", name=f"dead letters of {QUEUE}").click()
    letters = page.locator(".letters > li", has_text="sms.exploded")
    bold = letters.filter(has_text="bold")
    await letters.first.get_by_text("Show the body").click()
    await expect(bold.locator("pre")).to_contain_text("<b>bold</b>")
    await bold.get_by_role("button", name="Replay").click()
    await confirm(page, "Replay", "they have a new release")
    await expect(page.get_by_role("status").first).to_contain_text("1 letter replayed.")
    await system.dead_letters(QUEUE, at_least=before + 3)  # the same fault: it is dead again
    await page.reload()
    await expect(page.get_by_role("button", name="Discard chosen")).to_be_disabled()
    for number in range(2):
        await letters.nth(number).get_by_role("checkbox").check()
    await page.get_by_role("button", name="Discard chosen (2)").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Discard for good: 2 chosen letters")
    await confirm(page, "Discard chosen", "a test of theirs")
    await expect(page.get_by_role("status").first).to_contain_text("2 letters discarded.")
    await expect(letters).to_have_count(1)
    await page.get_by_role("button", name="Discard all unknown type").click()
    await confirm(page, "Discard all", "the rest, too")
    await expect(letters).to_have_count(0)
    await page.goto(f"{system.hosted.url}/ops")
    done = page.locator("#log li")
    for who_and_why in (
        ("Olga: replay 1 letter", "they have a new release"),
        ("Olga: discard 2 letters", "a test of theirs"),
        ("Olga: discard all “unknown type”", "the rest, too"),
    ):
        for words in who_and_why:
            await expect(done.filter(has_text=who_and_why[1])).to_contain_text(words)
