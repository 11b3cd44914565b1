"""The states that pages can be in, all made in one go through the API as a platform would: a month of one clock.

The clock is moved a few times for everybody: whoever needs history or passed due dates is made on the day that fits.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page, expect

from tests.browser.conftest import PICTURES, System

Pose = Callable[[Page], Awaitable[None]]
Account = dict[str, Any]

MONTH = 30
BLOCKED_SINCE, PAST_DUE_SINCE = 12, 9
"""So many days ago they started: 7 to pay and 3 of grace lie behind the one, 7 behind the other."""

DAYS = tuple(range(MONTH)) if PICTURES else (0, MONTH - BLOCKED_SINCE, MONTH - PAST_DUE_SINCE)
"""When something happens; more days make a better picture, and take longer."""

PLAN = {
    "name": "Voice 100",
    "currency": "USD",
    "recurring_fee_cents": 4_900,
    "minute_rate_usd": "0.12",
    "included_minutes": 100,
    "rhythm": "monthly",
    "rhythm_count": 1,
    "due_days": 7,
    "grace_days": 3,
    "packs_allowed": True,
    "client_may_start": True,
}


@dataclass(frozen=True)
class View:
    """A page in a state. `account_id` None: an operator's; `is_signed_in` False: `path` is opened by a stranger.
    `pose`: what is done on the page before one looks."""

    account_id: str | None
    path: str
    pose: Pose | None = None
    is_signed_in: bool = True


async def tell(system: System) -> dict[str, View]:
    """Make every state; returns what there is to look at."""
    busy, blocked, past_due = await _month(system)
    empty = await system.account(name="Harbor & Pine Veterinary Clinic with a rather long name", signup_credit_cents=0)
    no_card = await system.account(signup_credit_cents=100)
    declined = await _declined(system)
    agency = await system.account(name="Northline Voice", agency=True)
    clients = await _clients(system, agency)
    await _operations(system)
    lone = await system.account(name="Quiet Voice", agency=True)
    used = await system.link(no_card["id"])
    assert (await system.platform.get(used)).status_code == 303
    await _standing(system, blocked, "blocked")
    await _standing(system, past_due, "past_due")
    return {
        "customer-funded": View(busy, "/billing"),
        "customer-details": View(busy, "/billing", _details),
        "customer-empty": View(empty["id"], "/billing", _away),
        "customer-low-no-card": View(no_card["id"], "/billing", _notice),
        "customer-charge-failed": View(declined["id"], "/billing", _notice),
        "customer-suspended": View(declined["id"], "/billing", _away),
        "client-active": View(clients["Active"], "/billing"),
        "client-outstanding": View(clients["Outstanding"], "/billing", _breakdown),
        "client-chats": View(clients["Chats"], "/billing"),
        "client-not-started": View(clients["Waiting"], "/billing"),
        "client-past-due": View(past_due[1], "/billing"),
        "client-blocked": View(blocked[1], "/billing"),
        "agency-clients": View(agency["id"], "/agency"),
        "agency-empty": View(lone["id"], "/agency"),
        "agency-offers": View(agency["id"], "/agency/offers", _first_plan),
        "agency-client": View(agency["id"], f"/agency/clients/{clients['Outstanding']}"),
        "ops": View(None, "/ops"),
        "ops-dead": View(None, "/ops/dead/ledger.charge_usage", _choosing),
        "ops-no-dead": View(None, "/ops/dead/payments.recharge_due"),
        "link-used": View(None, used, is_signed_in=False),
        "not-signed-in": View(None, "/billing", is_signed_in=False),
    }


NAMES = [
    "customer-funded",
    "customer-details",
    "customer-empty",
    "customer-low-no-card",
    "customer-charge-failed",
    "customer-suspended",
    "client-active",
    "client-outstanding",
    "client-chats",
    "client-not-started",
    "client-past-due",
    "client-blocked",
    "agency-clients",
    "agency-empty",
    "agency-offers",
    "agency-client",
    "ops",
    "ops-dead",
    "ops-no-dead",
    "link-used",
    "not-signed-in",
]


async def _month(system: System) -> tuple[str, tuple[Account, str], tuple[Account, str]]:
    """A customer with a month of calls, messages and chats; two clients whose payments are past due."""
    busy = await system.account(signup_credit_cents=2_500)
    await system.save_card(busy)
    await system.post("/v1/billing/top-up", {"amount_cents": 10_000}, key=busy["api_key"])
    await _hold(system, busy)
    started: dict[int, tuple[Account, str]] = {}
    for day, following in zip(DAYS, (*DAYS[1:], MONTH), strict=True):
        await _spend(system, busy, day)
        if MONTH - day in (BLOCKED_SINCE, PAST_DUE_SINCE):
            agency = await system.account(name="Northline Voice", agency=True)
            started[MONTH - day] = agency, await _client(system, agency, "Fern Street Bakery", used_minutes=20)
        await system.post("/v1/test/clock", {"advance_seconds": (following - day) * 86_400})
    change = {"auto_reload_enabled": True, "auto_reload_minimum_cents": 1_000, "auto_reload_amount_cents": 5_000}
    await system.post("/v1/billing", change, key=busy["api_key"], method="PATCH")
    return busy["id"], started[BLOCKED_SINCE], started[PAST_DUE_SINCE]


async def _spend(system: System, account: Account, day: int) -> None:
    """What one day costs; waits until the books have it, since the clock moves on."""
    rows = len(await system.get("/v1/billing/transactions?limit=200&kind=debit", key=account["api_key"]))
    await system.call(account["id"], 240 + (day * 137) % 900, recorded_seconds=120)
    ids = {"account_id": account["id"], "message_id": f"m-{account['id']}-{day}", "chat_id": f"c-{account['id']}-{day}"}
    if day % 4 == 0:
        message = {**ids, "from": "+15550001111", "to": "+15550002222", "segments": 40 + day}
        await system.usage("sms.sent", message)
    if day % 5 == 0:
        await system.usage("chat.message", {**ids, "messages": 60})
    wanted = rows + 1 + (day % 4 == 0) + (day % 5 == 0)

    async def posted() -> bool:
        listed = await system.get("/v1/billing/transactions?limit=200&kind=debit", key=account["api_key"])
        return len(listed) == wanted

    await system.until(posted)


async def _hold(system: System, account: Account) -> None:
    """A call that is let through and never heard of again."""
    call = {"account_id": account["id"], "call_id": f"left-{account['id']}", "direction": "outbound"}
    await system.post("/v1/checks/call", {**call, "from": "+15550001111", "to": "+15550002222", "seconds": 600})


async def _declined(system: System) -> Account:
    """The card was declined, the account is suspended, a call was refused."""
    account = await system.account(signup_credit_cents=100, auto_charge=True)
    await system.save_card(account, "pm_card_chargeCustomerFail")
    await system.call(account["id"], 20 * 60)
    await system.balance_is(account, -260)
    await system.refused_call(account)
    return account


async def _client(
    system: System, agency: Account, called: str, *, used_minutes: int = 0, starts: bool = True, **terms: Any
) -> str:
    """A client on a plan with a pack, that has used so many minutes. Plans and packs of the agency are used again."""
    key = agency["api_key"]
    client = await system.post("/v1/clients", {"name": called}, key=key)
    plan = await _offer(system, key, "/v1/plans", {**PLAN, **terms})
    pack = await _offer(system, key, "/v1/packs", {"name": "Extra 50", "minutes": 50, "price_cents": 2_000})
    path = f"/v1/clients/{client['id']}"
    await system.post(f"{path}/plan", {"plan_id": plan["id"]}, key=key, method="PUT")
    await system.post(f"{path}/packs", {"pack_ids": [pack["id"]]}, key=key, method="PUT")
    if not starts:
        return str(client["id"])
    await system.post(f"{path}/subscription", key=key)
    await system.post(f"{path}/packs/{pack['id']}/apply", {"payment_status": "paid"}, key=key)
    if used_minutes:
        await system.call(client["id"], used_minutes * 60)

        async def counted() -> bool:
            return bool((await system.get(f"{path}/usage", key=key))["included"]["used_seconds"])

        await system.until(counted)
    return str(client["id"])


async def _offer(system: System, key: str, path: str, wanted: dict[str, Any]) -> Any:
    """The plan or pack of that name, made if there is none."""
    for offered in (await system.get(path, key=key))["data"]:
        if offered["name"] == wanted["name"]:
            return offered
    return await system.post(path, wanted, key=key)


async def _clients(system: System, agency: Account) -> dict[str, str]:
    key = agency["api_key"]
    clients = {
        "Active": await _client(system, agency, "Fern Street Bakery", used_minutes=92),
        "Outstanding": await _client(system, agency, "Lakeside Dental", used_minutes=155),
        "Chats": await _client(system, agency, "Chatty Books", name="Chat and voice", chats_per_minute=4),
        "Waiting": await _client(system, agency, "New Client", starts=False),
    }
    listed = await system.get(f"/v1/payment-requests?client_id={clients['Active']}&status=pending", key=key)
    for request in listed["data"]:
        await system.post(f"/v1/payment-requests/{request['id']}", {"status": "paid"}, key=key, method="PATCH")
    wallet = await system.post("/v1/clients", {"name": "Pays From Its Wallet"}, key=key)
    await system.post(f"/v1/clients/{wallet['id']}", {"disabled": True}, key=key, method="PATCH")
    return clients


async def _operations(system: System) -> None:
    """Dead letters of two reasons, and refusals."""
    account = await system.account(signup_credit_cents=10)
    for number in range(3):
        await system.publish("call.exploded", {"account_id": account["id"], "n": number})
    await system.publish("chat.message", {"account_id": account["id"], "chat_id": "c1", "messages": -1})
    for _ in range(3):
        await system.refused_call(account)
    await system.dead_letters("ledger.charge_usage", at_least=4)


async def _standing(system: System, of: tuple[Account, str], wanted: str) -> None:
    """Wait until the due dates have been looked at."""
    agency, client = of

    async def stands() -> bool:
        subscription = await system.get(f"/v1/clients/{client}/subscription", key=agency["api_key"])
        return bool(subscription["status"] == wanted)

    await system.until(stands)


async def _details(page: Page) -> None:
    await page.locator(".wallet summary").click()
    await page.locator("#transactions details summary").first.click()
    await page.locator("#spend summary").click()
    await page.get_by_label("When the balance falls below").fill("0.05")


async def _notice(page: Page) -> None:
    await expect(page.locator("dialog[data-notice]")).to_be_visible()


async def _away(page: Page) -> None:
    await _notice(page)
    await page.keyboard.press("Escape")


async def _breakdown(page: Page) -> None:
    await page.locator(".requests .dotted").first.focus()


async def _first_plan(page: Page) -> None:
    await page.locator("details.edit summary").first.click()


async def _choosing(page: Page) -> None:
    await page.locator("[name=letter]").first.check()
    await page.get_by_role("button", name="Discard chosen").click()
