"""Every refusal over HTTP: its code, its fields, and the event that is there before the answer (contract §2)."""

from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest

from tests.services.gatekeeper.books import ACCOUNT, TestBooks
from tests.services.gatekeeper.waiting import eventually

Body = Callable[..., dict[str, Any]]

REFUSALS: list[tuple[str, str, dict[str, Any]]] = [
    ("account_disabled", "disabled", {"disabled": True}),
    ("subscription_blocked", "blocked", {"access_refusal": "subscription_blocked"}),
    ("payment_overdue", "overdue", {"access_refusal": "payment_overdue"}),
    ("no_subscription", "no_subscription", {"access_refusal": "no_subscription"}),
    ("account_suspended", "suspended", {"manual_suspension": "fraud"}),
    ("account_suspended", "suspended", {"billing_suspension": "balance_depleted"}),
    ("concurrency_limit_reached", "concurrency", {"max_concurrent_calls": 0}),
    ("spend_limit_reached", "spend_limit", {"monthly_spend_limit_micros": 170_000}),
    ("insufficient_balance", "insufficient", {"balance_micros": 0}),
]


@pytest.mark.parametrize(("code", "suffix", "terms"), REFUSALS)
async def test_a_refusal_leaves_its_event_before_the_answer(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, code: str, suffix: str, terms: dict[str, Any]
) -> None:
    """Every 402 leaves a durable reject event **before** the answer is sent, of type {call,sms,chat,campaign}_rejected_
    {insufficient,suspended,disabled,blocked,overdue,no_subscription,number_suspended,concurrency,spend_limit}."""
    await books.open_account(**terms)
    answer = await gate.post("/v1/checks/call", json=call())
    assert answer.status_code == 402
    error = answer.json()["error"]
    assert error["code"] == code
    assert {"message", "request_id", "balance_usd", "available_usd", "required_usd"} <= set(error)
    assert all(isinstance(error[name], int | float) for name in ("balance_usd", "available_usd", "required_usd"))
    ((kind, data),) = await books.events()
    assert kind == f"call_rejected_{suffix}"
    assert (data["account_id"], data["call_id"], data["code"]) == (ACCOUNT, "c1", code)
    shown = await gate.get("/v1/checks/call/c1", params={"account_id": ACCOUNT})
    assert (shown.json()["state"], shown.json()["code"]) == ("refused", code)
    assert await books.hold("c1") is None


@pytest.mark.parametrize(
    "numbers",
    [
        {"number_id": "n1"},
        {"from": "+4930123456"},
        {"from": "4930123456"},
        {"direction": "inbound", "to": "+4930123456", "from": "anonymous"},
    ],
)
async def test_a_suspended_number_is_found_by_id_or_by_value(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, numbers: dict[str, Any]
) -> None:
    """A check finds its number by `number_id`, else by `from` (outbound) or `to` (inbound)."""
    await books.open_account()
    await books.add_number("+4930123456")
    answer = await gate.post("/v1/checks/call", json=call(**numbers))
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "number_suspended")
    assert [kind for kind, _ in await books.events()] == ["call_rejected_number_suspended"]


async def test_an_unknown_number_is_no_reason_to_refuse(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """an unknown number is no reason to refuse."""
    await books.open_account()
    await books.add_number("+4930999999")
    assert (await gate.post("/v1/checks/call", json=call("c1"))).status_code == 200
    assert (await gate.post("/v1/checks/call", json=call("c2", number_id="nobody"))).status_code == 200


async def test_inbound_under_allow_survives_a_billing_suspension_with_its_numbers(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """a billing suspension lets inbound under `allow` through; it takes the account's numbers with it, too."""
    await books.open_account(inbound_policy="allow", billing_suspension="balance_depleted", balance_micros=-1)
    await books.add_number("+14155550100", by_hand=False, billing=True)
    assert (await gate.post("/v1/checks/call", json=call("c1", direction="inbound"))).status_code == 200
    assert (await gate.post("/v1/checks/call", json=call("c2"))).status_code == 402


async def test_open_calls_count_until_they_end(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """`concurrency_limit_reached` (the account's `max_concurrent_calls` open call holds)."""
    await books.open_account(max_concurrent_calls=2)
    for call_id in ("c1", "c2"):
        assert (await gate.post("/v1/checks/call", json=call(call_id))).status_code == 200
    answer = await gate.post("/v1/checks/call", json=call("c3"))
    error = answer.json()["error"]
    assert (error["code"], error["max_concurrent_calls"], error["open_calls"]) == ("concurrency_limit_reached", 2, 2)
    assert (await gate.post("/v1/checks/call", json=call("c1"))).status_code == 200
    await gate.post("/v1/checks/call/c1/release", json={"account_id": ACCOUNT})
    assert (await gate.post("/v1/checks/call", json=call("c3"))).status_code == 200


async def test_the_spend_limit_counts_debits_and_holds_of_this_month(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, hosted: Any
) -> None:
    """this UTC month's call, SMS and chat debits less corrections + open holds + this one > the limit."""
    month = hosted.host.clock.now().date().replace(day=1)
    await books.open_account(monthly_spend_limit_micros=1_000_000, spend_month=month, spend_micros=460_000)
    first = (await gate.post("/v1/checks/call", json=call("c1", seconds=600))).json()
    assert (first["granted_seconds"], first["final"]) == (180, True)  # 0.54 is what the limit leaves
    answer = await gate.post("/v1/checks/call", json=call("c2"))
    assert answer.json()["error"]["code"] == "spend_limit_reached"
    assert answer.json()["error"]["monthly_spend_limit_cents"] == 100
    extended = await gate.post("/v1/checks/call/c1/extend", json={"account_id": ACCOUNT, "seconds": 240})
    assert extended.json()["error"]["code"] == "spend_limit_reached"


async def test_last_months_spending_does_not_count(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    await books.open_account(monthly_spend_limit_micros=1_000_000, spend_month=date(2020, 1, 1), spend_micros=1_000_000)
    assert (await gate.post("/v1/checks/call", json=call())).status_code == 200


async def test_a_refusal_is_not_remembered_against_who_has_paid(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """a cached 402 refused customers who had paid (failure mode 10): 402 is never replayed."""
    await books.open_account(balance_micros=0)
    assert (await gate.post("/v1/checks/call", json=call())).status_code == 402
    await books.change(balance_micros=1_000_000)
    assert (await gate.post("/v1/checks/call", json=call())).status_code == 200


async def test_the_order_is_422_404_409_400_402(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """Precedence 422, 404, 409, 400, then the refusals, all 402."""
    await books.open_account()
    await books.publish_prices({"items": [{"item": "chat", "price_usd": "1", "per": "message"}]})

    async def ask(**fields: Any) -> tuple[int, str]:
        answer = await gate.post("/v1/checks/call", json=call(**fields))
        return answer.status_code, answer.json()["error"]["code"]

    await books.change(disabled=True)
    await gate.post("/v1/checks/call/c1/release", json={"account_id": ACCOUNT})
    assert await ask(account_id="nobody", seconds=-1) == (422, "invalid_request")
    assert await ask(account_id="nobody") == (404, "account_not_found")
    assert await ask() == (409, "released")
    assert await ask(call_id="c2") == (400, "destination_not_priced")
    await books.publish_prices()
    assert await ask(call_id="c2") == (402, "account_disabled")


async def test_reject_events_are_published_from_the_outbox(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """published from the outbox."""
    await books.open_account(balance_micros=0)
    await gate.post("/v1/checks/call", json=call())

    async def is_empty() -> bool:
        return not await books.connection.fetchval("SELECT count(*) FROM ledger.outbox")

    assert await eventually(is_empty)
