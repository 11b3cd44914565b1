"""Clients with a running plan: minutes before money (contract §2, §7)."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.services.gatekeeper.books import ACCOUNT, TestBooks

Body = Callable[..., dict[str, Any]]


async def pools(books: TestBooks) -> Any:
    return await books.connection.fetchrow("SELECT * FROM ledger.pools WHERE account_id = $1", ACCOUNT)


async def test_minutes_of_a_plan_need_no_money(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """A check reserves pool seconds as it does money; minutes of a plan pass at balance 0."""
    await books.open_account(balance_micros=0)
    await books.start_plan(included_ms=600_000)
    body = (await gate.post("/v1/checks/call", json=call(seconds=300))).json()
    assert (body["granted_seconds"], body["held_usd"], body["final"]) == (300, "0.00", False)
    assert (await pools(books))["held_ms"] == 300_000


async def test_without_a_rate_the_pools_are_the_limit(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """without a rate and with empty pools → `insufficient_balance`."""
    await books.open_account()
    await books.start_plan(included_ms=60_000, wallet_ms=30_999)
    body = (await gate.post("/v1/checks/call", json=call("c1", seconds=300))).json()
    assert (body["granted_seconds"], body["final"]) == (90, True)
    refused = await gate.post("/v1/checks/call", json=call("c2"))
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "insufficient_balance"
    assert refused.json()["error"]["available_seconds"] == 0
    extended = await gate.post("/v1/checks/call/c1/extend", json={"account_id": ACCOUNT, "seconds": 120})
    assert extended.status_code == 402
    assert (await pools(books))["held_ms"] == 90_000


async def test_with_a_rate_the_rest_needs_no_hold(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """with a rate the rest needs no hold."""
    await books.open_account(balance_micros=0)
    await books.start_plan(included_ms=60_000, rate_micros=50_000)
    body = (await gate.post("/v1/checks/call", json=call("c1", seconds=300))).json()
    assert (body["granted_seconds"], body["held_usd"], body["rate_usd_per_minute"]) == (300, "0.00", "0.05")
    assert (await gate.post("/v1/checks/call", json=call("c2"))).status_code == 200
    assert (await pools(books))["held_ms"] == 60_000


async def test_released_minutes_go_back(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    await books.open_account()
    await books.start_plan(included_ms=60_000)
    await gate.post("/v1/checks/call", json=call())
    await gate.post("/v1/checks/call/c1/release", json={"account_id": ACCOUNT})
    assert (await pools(books))["held_ms"] == 0


async def test_an_unpriced_destination_is_no_matter_to_a_plan(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """Calls of a client with a running subscription are not priced by the price book."""
    await books.open_account()
    await books.publish_prices({"items": [{"item": "chat", "price_usd": "1", "per": "message"}]})
    await books.start_plan(included_ms=60_000)
    assert (await gate.post("/v1/checks/call", json=call())).status_code == 200


async def test_chats_take_minutes_in_chat_mode_only(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """in chat mode a chat takes floor(60,000 / chats_per_minute)."""
    await books.open_account(balance_micros=0)
    await books.start_plan(included_ms=60_000, chat_ms=15_000)
    chat = {"account_id": ACCOUNT, "messages": 2}
    for message_id in ("m1", "m2"):
        assert (await gate.post("/v1/checks/chat", json=chat | {"message_id": message_id})).status_code == 200
    assert (await pools(books))["held_ms"] == 60_000
    assert (await gate.post("/v1/checks/chat", json=chat | {"message_id": "m3"})).status_code == 402


async def test_a_chats_rate_is_what_one_chat_costs(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """`rate_usd_per_message`: the plan's rate for the time a chat takes, not for a minute."""
    await books.open_account(balance_micros=0)
    await books.start_plan(rate_micros=100_000, chat_ms=8_571)
    chat = {"account_id": ACCOUNT, "message_id": "m1", "messages": 2}
    body = (await gate.post("/v1/checks/chat", json=chat)).json()
    assert (body["rate_usd_per_message"], body["held_usd"], body["granted_messages"]) == ("0.014285", "0.00", 2)


async def test_sms_stays_money(gate: httpx.AsyncClient, books: TestBooks, sms: Body) -> None:
    """SMS and numbers stay money."""
    await books.open_account(balance_micros=0)
    await books.start_plan(included_ms=60_000)
    assert (await gate.post("/v1/checks/sms", json=sms())).status_code == 402


async def test_a_campaign_of_a_plan_needs_minutes_or_a_rate(gate: httpx.AsyncClient, books: TestBooks) -> None:
    await books.open_account(balance_micros=0)
    await books.start_plan(included_ms=0)
    campaign = {"account_id": ACCOUNT, "campaign_id": "k1"}
    assert (await gate.post("/v1/checks/campaign", json=campaign)).status_code == 402
    await books.connection.execute("UPDATE ledger.pools SET wallet_ms = 60000")
    assert (await gate.post("/v1/checks/campaign", json=campaign)).status_code == 200
