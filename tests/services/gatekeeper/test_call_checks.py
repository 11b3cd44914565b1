"""Calls at the gate: what is granted, held and refused (contract §2)."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.services.gatekeeper.books import USD, TestBooks

Body = Callable[..., dict[str, Any]]


async def test_an_allowed_call_gets_a_hold(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """200 {"decision":"allow","hold_id","granted_seconds","held_usd","held_cents","rate_usd_per_minute","expires_at",
    "final"}."""
    await books.open_account()
    answer = await gate.post("/v1/checks/call", json=call())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {
        "decision",
        "hold_id",
        "granted_seconds",
        "held_usd",
        "held_cents",
        "rate_usd_per_minute",
        "expires_at",
        "final",
    }
    assert body["decision"] == "allow"
    assert body["granted_seconds"] == 60
    assert (body["held_usd"], body["held_cents"], body["rate_usd_per_minute"]) == ("0.18", 18, "0.18")
    assert body["final"] is False
    assert (await books.account())["held_micros"] == 180_000


async def test_a_call_is_refused_without_money_for_a_minute(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """refused when cost(60) > available; "Wallet balance below minimum to start call" with numbers."""
    await books.open_account(balance_micros=179_999)
    answer = await gate.post("/v1/checks/call", json=call())
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert error["code"] == "insufficient_balance"
    assert error["message"] == "Wallet balance below minimum to start call"
    assert (error["balance_usd"], error["available_usd"], error["required_usd"]) == (0.179999, 0.179999, 0.18)
    assert (await books.account())["held_micros"] == 0


async def test_seconds_are_granted_as_far_as_the_money_goes(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """the largest n <= seconds with cost(n) <= available, and exactly cost(n) is held; final."""
    await books.open_account(balance_micros=1 * USD)
    body = (await gate.post("/v1/checks/call", json=call(seconds=3600))).json()
    assert body["granted_seconds"] == 300  # five minutes at 0.18 are 0.90
    assert body["held_usd"] == "0.90"
    assert body["final"] is True
