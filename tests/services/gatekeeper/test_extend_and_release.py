"""A call in progress: more seconds, no more money, given back (contract §2)."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.services.gatekeeper.books import ACCOUNT, USD, TestBooks

Body = Callable[..., dict[str, Any]]


async def extend(gate: httpx.AsyncClient, call_id: str, seconds: int) -> httpx.Response:
    return await gate.post(f"/v1/checks/call/{call_id}/extend", json={"account_id": ACCOUNT, "seconds": seconds})


async def release(gate: httpx.AsyncClient, ref_id: str, kind: str = "call") -> httpx.Response:
    return await gate.post(f"/v1/checks/{kind}/{ref_id}/release", json={"account_id": ACCOUNT})


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_an_extension_asks_for_the_total(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """`seconds` is the total wanted from the start."""
    await books.open_account()
    first = (await gate.post("/v1/checks/call", json=call())).json()
    body = (await extend(gate, "c1", 180)).json()
    assert (body["granted_seconds"], body["held_usd"], body["final"]) == (180, "0.54", False)
    assert body["hold_id"] == first["hold_id"]
    account = await books.account()
    assert (account["held_micros"], account["open_call_holds"]) == (540_000, 1)
    hold = await books.hold("c1")
    assert hold is not None
    assert (hold["expires_at"] - hold["created_at"]).total_seconds() == 300


async def test_not_above_the_grant_changes_nothing(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """Not above the grant → 200 unchanged."""
    await books.open_account()
    first = (await gate.post("/v1/checks/call", json=call(seconds=180))).json()
    assert (await extend(gate, "c1", 120)).json() == first
    await books.change(balance_micros=0, disabled=True)
    assert (await extend(gate, "c1", 180)).json() == first


async def test_a_partly_affordable_extension_is_final(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """partly affordable → 200, `final: true`."""
    await books.open_account(balance_micros=USD // 2)
    await gate.post("/v1/checks/call", json=call())
    body = (await extend(gate, "c1", 600)).json()
    assert (body["granted_seconds"], body["held_usd"], body["final"]) == (120, "0.36", True)


async def test_nothing_more_leaves_the_old_grant(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """nothing more → 402, the old grant stands."""
    await books.open_account(balance_micros=200_000)
    first = (await gate.post("/v1/checks/call", json=call())).json()
    answer = await extend(gate, "c1", 120)
    assert code_of(answer) == (402, "insufficient_balance")
    error = answer.json()["error"]
    assert (error["available_usd"], error["required_usd"]) == (0.02, 0.18)
    assert (await gate.post("/v1/checks/call", json=call())).json() == first
    assert [kind for kind, _ in await books.events()] == ["call_rejected_insufficient"]


async def test_an_extension_has_the_price_of_now(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """cost(n) = what n talk seconds would be billed at the price now."""
    await books.open_account()
    await gate.post("/v1/checks/call", json=call())
    await books.publish_prices({"items": [{"item": "voice", "price_usd": "1", "per": "minute"}]})
    assert (await extend(gate, "c1", 120)).json()["held_usd"] == "2.00"


async def test_an_expired_hold_is_extended_by_taking_it_anew(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, move_clock: Any
) -> None:
    """expired → taken anew if affordable."""
    await books.open_account(balance_micros=USD // 2)
    await gate.post("/v1/checks/call", json=call())
    await move_clock(seconds=200)
    body = (await extend(gate, "c1", 60)).json()
    assert body["granted_seconds"] == 60
    assert (await books.account())["held_micros"] == 180_000
    await move_clock(seconds=200)
    await books.change(balance_micros=0)
    assert code_of(await extend(gate, "c1", 60)) == (402, "insufficient_balance")


async def test_released_billed_and_unknown_calls_are_not_extended(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """released → 409 `released`; billed → 409 `already_billed`; unknown → 404."""
    await books.open_account()
    for call_id in ("c1", "c2"):
        await gate.post("/v1/checks/call", json=call(call_id))
    await release(gate, "c1")
    await release(gate, "c3")
    await books.bill("c2")
    assert code_of(await extend(gate, "c1", 120)) == (409, "released")
    assert code_of(await extend(gate, "c3", 120)) == (409, "released")
    assert code_of(await extend(gate, "c2", 120)) == (409, "already_billed")
    assert code_of(await extend(gate, "c4", 120)) == (404, "not_found")


async def test_a_suspension_ends_a_call_at_its_grant(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """Slices and extend are the mid-call protection (failure mode 10)."""
    await books.open_account()
    await gate.post("/v1/checks/call", json=call())
    await books.change(manual_suspension="fraud")
    assert code_of(await extend(gate, "c1", 120)) == (402, "account_suspended")


async def test_a_release_frees_the_money_and_is_idempotent(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """200 {"status": "released"|"already_billed"}."""
    await books.open_account()
    await gate.post("/v1/checks/call", json=call())
    for _ in range(2):
        answer = await release(gate, "c1")
        assert (answer.status_code, answer.json()) == (200, {"status": "released"})
    account = await books.account()
    assert (account["held_micros"], account["open_call_holds"]) == (0, 0)


async def test_a_billed_call_is_not_released(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    await books.open_account()
    await gate.post("/v1/checks/call", json=call())
    await books.bill("c1")
    await books.bill("c2")
    for call_id in ("c1", "c2"):
        assert (await release(gate, call_id)).json() == {"status": "already_billed"}


async def test_a_release_before_the_check_refuses_it(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, sms: Body
) -> None:
    """works before, during and instead of the check … a late check → 409 `released`."""
    await books.open_account()
    assert (await release(gate, "c1")).json() == {"status": "released"}
    assert (await release(gate, "m1", "sms")).json() == {"status": "released"}
    assert (await release(gate, "m1", "chat")).json() == {"status": "released"}
    assert code_of(await gate.post("/v1/checks/call", json=call())) == (409, "released")
    assert code_of(await gate.post("/v1/checks/sms", json=sms())) == (409, "released")
    chat = {"account_id": ACCOUNT, "message_id": "m1"}
    assert code_of(await gate.post("/v1/checks/chat", json=chat)) == (409, "released")
    assert (await books.account())["held_micros"] == 0


async def test_the_release_of_an_unknown_account_is_a_404(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """Unknown account → 404 `account_not_found`."""
    assert code_of(await release(gate, "c1")) == (404, "account_not_found")


async def test_a_campaign_has_nothing_to_release(gate: httpx.AsyncClient, books: TestBooks) -> None:
    await books.open_account()
    assert (await release(gate, "x", "campaign")).status_code == 404
