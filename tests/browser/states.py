"""The states that pages can be in, each made through the API as a platform would."""

import asyncio
from collections.abc import Awaitable, Callable

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
    for day in range(0, 30, 2):
        seconds = 240 + (day * 137) % 1200
        await system.call(account["id"], seconds)
        if day % 4:
            message = {
                "account_id": account["id"],
                "message_id": f"m-{account['id']}-{day}",
                "from": "+15550001111",
                "to": "+15550002222",
                "segments": 40 + day,
            }
            await system.usage("sms.sent", message)
        if day % 6 == 0:
            chat = {"account_id": account["id"], "chat_id": f"c-{account['id']}-{day}", "messages": 60}
            await system.usage("chat.message", chat)
        await asyncio.sleep(0.15)
        if day < 28:
            await system.post("/v1/test/clock", {"advance_seconds": 2 * 86_400})
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


async def client_of(system: System, *, minutes: int = 0, advance_days: int = 0, pay: bool = False) -> tuple[str, str]:
    """(agency, client): a client on a plan that has used so many minutes and seen so many days pass."""
    agency = await system.account(name="Northline Voice", agency=True)
    key = agency["api_key"]
    client = await system.post("/v1/clients", {"name": "Fern Street Bakery"}, key=key)
    plan = await system.post("/v1/plans", PLAN, key=key)
    pack = await system.post("/v1/packs", {"name": "Extra 50", "minutes": 50, "price_cents": 2_000}, key=key)
    path = f"/v1/clients/{client['id']}"
    await system.post(f"{path}/plan", {"plan_id": plan["id"]}, key=key, method="PUT")
    await system.post(f"{path}/packs", {"pack_ids": [pack["id"]]}, key=key, method="PUT")
    await system.post(f"{path}/subscription", key=key)
    await system.post(f"{path}/packs/{pack['id']}/apply", {"payment_status": "paid"}, key=key)
    if pay:
        listed = await system.get("/v1/payment-requests", key=key)
        for request in listed["data"]:
            if request["status"] != "paid":
                await system.post(f"/v1/payment-requests/{request['id']}", {"status": "paid"}, key=key, method="PATCH")
    if minutes:
        await system.call(client["id"], minutes * 60)
        for _ in range(100):
            if (await system.get(f"{path}/usage", key=key))["included"]["used_seconds"]:
                break
            await asyncio.sleep(0.1)
    if advance_days:
        await system.post("/v1/test/clock", {"advance_seconds": advance_days * 86_400})
        await asyncio.sleep(2)
    return agency["id"], client["id"]


async def client_active(system: System) -> tuple[str | None, str]:
    return (await client_of(system, minutes=92, pay=True))[1], "/billing"


async def client_outstanding(system: System) -> tuple[str | None, str]:
    return (await client_of(system, minutes=130))[1], "/billing"


async def client_past_due(system: System) -> tuple[str | None, str]:
    return (await client_of(system, minutes=20, advance_days=8))[1], "/billing"


async def client_blocked(system: System) -> tuple[str | None, str]:
    return (await client_of(system, minutes=20, advance_days=11))[1], "/billing"


async def agency_clients(system: System) -> tuple[str | None, str]:
    return (await client_of(system))[0], "/agency"


async def agency_offers(system: System) -> tuple[str | None, str]:
    return (await client_of(system))[0], "/agency/offers"


async def agency_client(system: System) -> tuple[str | None, str]:
    agency, client = await client_of(system, minutes=40)
    return agency, f"/agency/clients/{client}"


async def ops(system: System) -> tuple[str | None, str]:
    """Dead letters, rejections, an orphaned hold."""
    account = await system.account(signup_credit_cents=100)
    for number in range(3):
        await system.publish("call.exploded", {"account_id": account["id"], "n": number})
    call = {"account_id": account["id"], "direction": "outbound", "from": "+15550001111", "to": "+15550002222"}
    await system.post("/v1/checks/call", {**call, "call_id": f"left-{account['id']}", "seconds": 60})
    for number in range(4):
        await system.platform.post(
            "/v1/checks/call", json={**call, "call_id": f"no-{account['id']}-{number}", "seconds": 60, "recorded": True}
        )
        await system.platform.post("/v1/checks/call", json={**call, "call_id": f"more-{account['id']}-{number}"})
    await system.post("/v1/test/clock", {"advance_seconds": 3_700})
    await asyncio.sleep(2)
    return None, "/ops"


async def ops_dead(system: System) -> tuple[str | None, str]:
    account = await system.account()
    await system.publish("call.exploded", {"account_id": account["id"]})
    await system.publish("chat.message", {"account_id": account["id"], "chat_id": "c1", "messages": -1})
    await asyncio.sleep(1)
    return None, "/ops/dead/ledger.charge_usage"


STATES: dict[str, Prepare] = {
    "billing-busy": busy,
    "billing-fresh": fresh,
    "billing-low": low,
    "billing-suspended": suspended,
    "client-active": client_active,
    "client-outstanding": client_outstanding,
    "client-past-due": client_past_due,
    "client-blocked": client_blocked,
    "agency": agency_clients,
    "agency-offers": agency_offers,
    "agency-client": agency_client,
    "ops": ops,
    "ops-dead": ops_dead,
}
