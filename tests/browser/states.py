"""The states that pages can be in, each made through the API as a platform would."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from tests.browser.conftest import System

Prepare = Callable[[System], Awaitable[tuple[str | None, str]]]

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
    "chats_per_minute": 4,
}


async def busy(system: System) -> tuple[str | None, str]:
    """A month of calls, messages and chats, a card, auto-recharge on."""
    account = await system.account(signup_credit_cents=15_000)
    await system.save_card(account)
    now = system.hosted.host.clock.now()
    for day in range(29, -1, -1):
        at = now - timedelta(days=day, minutes=30)
        ended = at.timestamp()
        seconds = 200 + (day * 137) % 1200
        await system.call(
            account["id"], seconds, started_at=ended - seconds, answered_at=ended - seconds, ended_at=ended
        )
        if day % 2:
            message = {
                "account_id": account["id"],
                "message_id": f"m-{account['id']}-{day}",
                "from": "+15550001111",
                "to": "+15550002222",
                "segments": 40 + day,
            }
            await system.usage("sms.sent", message, time=at.isoformat())
        if day % 3 == 0:
            chat = {"account_id": account["id"], "chat_id": f"c-{account['id']}-{day}", "messages": 60}
            await system.usage("chat.message", chat, time=at.isoformat())
    change = {"auto_reload_enabled": True, "auto_reload_minimum_cents": 1_000, "auto_reload_amount_cents": 5_000}
    await system.post("/v1/billing", change, key=account["api_key"], method="PATCH")
    await system.post("/v1/billing/top-up", {"amount_cents": 5_000}, key=account["api_key"])
    return account["id"], "/billing"


async def fresh(system: System) -> tuple[str | None, str]:
    return (await system.account(name="Harbor & Pine Veterinary Clinic with a rather long name"))["id"], "/billing"


async def low(system: System) -> tuple[str | None, str]:
    """Nearly empty, no card: the notice."""
    return (await system.account(signup_credit_cents=100))["id"], "/billing"


async def suspended(system: System) -> tuple[str | None, str]:
    account = await system.account(signup_credit_cents=100, auto_charge=True)
    await system.save_card(account, "pm_card_chargeCustomerFail")
    await system.call(account["id"], 20 * 60)
    await system.balance_is(account, -260)
    return account["id"], "/billing"


STATES: dict[str, Prepare] = {
    "billing-busy": busy,
    "billing-fresh": fresh,
    "billing-low": low,
    "billing-suspended": suspended,
}
