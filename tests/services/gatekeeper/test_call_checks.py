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


async def test_a_recorded_call_costs_its_recording(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """cost(n) … set-up, increments, steps, free seconds, maximum; recording when `recorded`."""
    await books.open_account()
    body = (await gate.post("/v1/checks/call", json=call(recorded=True))).json()
    assert (body["held_usd"], body["rate_usd_per_minute"]) == ("0.20", "0.20")


async def test_fewer_than_sixty_seconds_count_as_sixty(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """`seconds` is 1-86,400, below 60 it counts as 60."""
    await books.open_account()
    assert (await gate.post("/v1/checks/call", json=call("c1", seconds=1))).json()["granted_seconds"] == 60
    assert (await gate.post("/v1/checks/call", json=call("c2", seconds=59))).json()["granted_seconds"] == 60
    assert (await gate.post("/v1/checks/call", json=call("c3", seconds=0))).status_code == 422
    assert (await gate.post("/v1/checks/call", json=call("c4", seconds=86_401))).status_code == 422


async def test_a_check_expires_two_minutes_after_what_it_granted(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """`expires_at` = time of the check + granted_seconds + 120 s."""
    await books.open_account()
    body = (await gate.post("/v1/checks/call", json=call(seconds=600))).json()
    hold = await books.hold("c1")
    assert hold is not None
    assert (hold["expires_at"] - hold["created_at"]).total_seconds() == 720
    assert body["expires_at"] == hold["expires_at"].strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{hold['expires_at'].microsecond // 1000:03d}Z"
    )


async def test_the_same_check_again_returns_the_same_hold(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """The same check again (same account and call_id) returns the same hold, with another body 409
    `idempotency_key_reused`."""
    await books.open_account()
    first = await gate.post("/v1/checks/call", json=call())
    again = await gate.post("/v1/checks/call", json=call())
    assert again.status_code == 200
    assert again.json() == first.json()
    other = await gate.post("/v1/checks/call", json=call(to="+14155550101"))
    assert other.status_code == 409
    assert other.json()["error"]["code"] == "idempotency_key_reused"
    assert (await books.account())["held_micros"] == 180_000


async def test_the_same_check_again_stands_when_the_money_is_gone(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    await books.open_account(balance_micros=180_000)
    first = await gate.post("/v1/checks/call", json=call())
    await books.change(disabled=True)
    assert (await gate.post("/v1/checks/call", json=call())).json() == first.json()


async def test_an_integer_and_its_text_are_one_id(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """a JSON integer and its decimal string are the same id, echoed as it was sent."""
    await books.open_account("77")
    first = await gate.post("/v1/checks/call", json=call(5, account_id=77))
    again = await gate.post("/v1/checks/call", json=call("5", account_id="77"))
    assert first.json() == again.json()
    await books.change("77", disabled=True)
    await gate.post("/v1/checks/call", json=call(6, account_id=77))
    (told,) = await books.events("77")
    assert (told[1]["account_id"], told[1]["call_id"]) == (77, 6)


async def test_holds_raise_no_version_and_publish_nothing(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """Holds raise no `version` and publish no `balance_changed`. An allowed check publishes nothing."""
    await books.open_account()
    await gate.post("/v1/checks/call", json=call())
    assert (await books.account())["version"] == 0
    assert await books.events() == []


async def test_what_costs_nothing_passes_at_balance_zero(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """What costs nothing (price 0, minutes of a plan) passes at balance 0."""
    await books.open_account(balance_micros=0)
    await books.own_prices(
        [
            {"item": "voice", "price_usd": "0", "per": "minute"},
            {"item": "telephony", "price_usd": "0", "per": "minute"},
        ]
    )
    answer = await gate.post("/v1/checks/call", json=call(seconds=3600))
    assert answer.status_code == 200
    assert (answer.json()["granted_seconds"], answer.json()["held_usd"]) == (3600, "0.00")


async def test_credit_counts_as_available(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """available = balance + credit_limit - open holds."""
    await books.open_account(balance_micros=0, credit_limit_micros=180_000)
    assert (await gate.post("/v1/checks/call", json=call("c1"))).status_code == 200
    assert (await gate.post("/v1/checks/call", json=call("c2"))).status_code == 402


async def test_prices_published_meanwhile_hold_for_the_next_check(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """cost(n) = what n talk seconds would be billed at the price now; no cached authority (failure mode 26)."""
    await books.open_account()
    await gate.post("/v1/checks/call", json=call("c1"))
    await books.publish_prices({"items": [{"item": "voice", "price_usd": "1", "per": "minute"}]})
    assert (await gate.post("/v1/checks/call", json=call("c2"))).json()["held_usd"] == "1.00"
    await books.own_prices([{"item": "voice", "price_usd": "0.5", "per": "minute"}])
    assert (await gate.post("/v1/checks/call", json=call("c3"))).json()["held_usd"] == "0.50"


async def test_fm24_inbound_at_zero_is_refused_or_let_through_as_the_account_says(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """`inbound_policy` = `reject` (default) or `allow` (gets `seconds`, holds min(cost, max(available, 0)))."""
    await books.open_account(balance_micros=50_000)
    refused = await gate.post("/v1/checks/call", json=call("c1", direction="inbound"))
    assert refused.status_code == 402
    await books.change(inbound_policy="allow")
    body = (await gate.post("/v1/checks/call", json=call("c2", direction="inbound", seconds=600))).json()
    assert (body["granted_seconds"], body["held_usd"]) == (600, "0.05")
    await books.change(balance_micros=-1_000_000)
    body = (await gate.post("/v1/checks/call", json=call("c3", direction="inbound", seconds=600))).json()
    assert (body["granted_seconds"], body["held_usd"]) == (600, "0.00")
    assert (await gate.post("/v1/checks/call", json=call("c4"))).status_code == 402


async def test_a_call_that_was_billed_is_not_allowed_again(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """one call, one charge (failure mode 23): a check of a call already billed, with a hold or without, is a 409."""
    await books.open_account()
    await gate.post("/v1/checks/call", json=call("c1"))
    await books.bill("c1")
    await books.bill("c2")
    for call_id in ("c1", "c2"):
        answer = await gate.post("/v1/checks/call", json=call(call_id))
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_billed")


async def test_an_expired_hold_is_taken_anew_and_not_just_repeated(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, move_clock: Any
) -> None:
    """An expired hold frees the money and shows as `orphaned` until usage comes; the same check again must hold the
    money again, or be refused (failure mode 14)."""
    await books.open_account(balance_micros=180_000)
    first = (await gate.post("/v1/checks/call", json=call())).json()
    await move_clock(seconds=181)
    shown = (await gate.get("/v1/checks/call/c1", params={"account_id": "acct-1"})).json()
    assert shown["state"] == "orphaned"
    again = (await gate.post("/v1/checks/call", json=call())).json()
    assert again["expires_at"] > first["expires_at"]
    assert (await books.account())["held_micros"] == 180_000
    await move_clock(seconds=181)
    await books.change(balance_micros=0)
    assert (await gate.post("/v1/checks/call", json=call())).status_code == 402


async def test_holds_that_ran_out_make_room_before_the_sweep_comes(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, move_clock: Any
) -> None:
    """An expired hold frees the money: also for a check that comes before the tick."""
    await books.open_account(balance_micros=180_000, max_concurrent_calls=1)
    await gate.post("/v1/checks/call", json=call("c1"))
    assert (await gate.post("/v1/checks/call", json=call("c2"))).status_code == 402
    await move_clock(seconds=181)
    assert (await gate.post("/v1/checks/call", json=call("c3"))).status_code == 200
    hold = await books.hold("c1")
    assert hold is not None
    assert hold["state"] == "orphaned"
    assert (await books.account())["held_micros"] == 180_000
    assert "hold_expired" in [kind for kind, _ in await books.events()]
