"""Every page in every state: axe finds nothing serious, and a screenshot of each is left in .ringfence/screenshots."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, SCREENSHOTS, WIDE, SignIn, System
from tests.browser.states import STATES, Prepare

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light"},
}
RULES = {"light": None, "dark": ["color-contrast"], "phone": ["color-contrast", "target-size"]}
"""The document is the same in every look: what is left to ask is what a look changes."""


@pytest.mark.parametrize("name", STATES)
async def test_a_page_is_accessible_and_fits(system: System, sign_in: SignIn, axe: str, name: str) -> None:
    prepare: Prepare = STATES[name]
    account_id, path = await prepare(system)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page = await sign_in(account_id, bypass_csp=True)  # axe and screenshots bring styles of their own
    await page.evaluate("sessionStorage.clear()")  # the notice is shown once, but every look wants to see it
    await page.goto(system.hosted.url + path)
    await expect(page.locator("main")).to_be_visible()
    for look, options in LOOKS.items():
        await page.emulate_media(color_scheme=options["color_scheme"])
        await page.set_viewport_size(options["viewport"])
        await page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
        assert await serious_findings(page, axe, RULES[look]) == [], look
        width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{look}: scrolls sideways by {width} px"


async def serious_findings(page: Page, axe: str, rules: list[str] | None) -> list[str]:
    """What axe calls serious or critical, as `rule: where`."""
    await page.evaluate(axe + ";0")
    only = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = await page.evaluate("only => axe.run(document, only)", only)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
