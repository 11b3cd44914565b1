"""Every page in every state: axe finds nothing serious, nothing scrolls sideways, in light, dark and on a phone.

`RINGFENCE_SCREENSHOTS=1 .venv/bin/python -m pytest tests/browser/test_looks.py` also leaves a picture of each in
`.ringfence/screenshots`, with a whole month of history on them.
"""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import PHONE, PICTURES, SCREENSHOTS, WIDE, SignIn, System
from tests.browser.states import NAMES, View, tell

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE, "color_scheme": "light", "rules": None},
    "dark": {"viewport": WIDE, "color_scheme": "dark", "rules": ["color-contrast"]},
    "phone": {"viewport": PHONE, "color_scheme": "light", "rules": ["target-size"]},
}
"""The document is the same in every look: `rules` is what is left to ask, None for all there are."""


@pytest.fixture(scope="module")
async def views(system: System) -> dict[str, View]:
    return await tell(system)


def test_every_state_is_looked_at(views: dict[str, View]) -> None:
    assert list(views) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_is_accessible_and_fits(sign_in: SignIn, axe: str, views: dict[str, View], name: str) -> None:
    view = views[name]
    # axe brings styles of its own.
    page = await sign_in(view.account_id, path=view.path, signs_in=view.is_signed_in, bypass_csp=True)
    await expect(page.locator("main")).to_be_visible()
    if view.pose is not None:
        await view.pose(page)
    await page.evaluate(axe + ";0")
    for look, options in LOOKS.items():
        await page.emulate_media(color_scheme=options["color_scheme"])
        await page.set_viewport_size(options["viewport"])
        if PICTURES:
            await picture(page, f"{name}-{look}.png")
        if view.pose is None or look != "phone":  # what a pose opens lies over what is below
            assert await serious_findings(page, options["rules"]) == [], look
        width = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width <= 0, f"{look}: scrolls sideways by {width} px"


async def picture(page: Page, name: str) -> None:
    """The whole page; of an open dialog what is in sight, since it lies over no more."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    has_dialog = await page.locator("dialog[open]").count() > 0
    await page.screenshot(path=SCREENSHOTS / name, full_page=not has_dialog)


async def serious_findings(page: Page, rules: list[str] | None) -> list[str]:
    """What axe calls serious or critical, as `rule: where`."""
    only = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = await page.evaluate("only => axe.run(document, only)", only)
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
