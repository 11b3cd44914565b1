"""SMS, chat and campaigns at the gate (contract §2)."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.services.gatekeeper.books import ACCOUNT, TestBooks

Body = Callable[..., dict[str, Any]]


async def test_an_sms_holds_its_segments(gate: httpx.AsyncClient, books: TestBooks, sms: Body) -> None:
    """{account_id, message_id, direction, from, to, segments? = 1 or text?} → `granted_segments`; SMS, chat + 600 s."""
    await books.open_account()
    body = (await gate.post("/v1/checks/sms", json=sms("m1"))).json()
    assert (body["decision"], body["granted_segments"], body["held_usd"]) == ("allow", 1, "0.01")
    body = (await gate.post("/v1/checks/sms", json=sms("m2", segments=3))).json()
    assert (body["granted_segments"], body["held_usd"]) == (3, "0.03")
    hold = await books.hold("m2")
    assert hold is not None
    assert (hold["expires_at"] - hold["created_at"]).total_seconds() == 600


async def test_segments_are_counted_from_the_text(gate: httpx.AsyncClient, books: TestBooks, sms: Body) -> None:
    """counted GSM-7 160/153, UCS-2 70/67."""
    await books.open_account()
    texts = {"a" * 160: 1, "a" * 161: 2, "a" * 307: 3, "ж" * 70: 1, "ж" * 71: 2, "ж" * 135: 3, "": 1}
    for place, (text, segments) in enumerate(texts.items()):
        body = (await gate.post("/v1/checks/sms", json=sms(f"m{place}", text=text))).json()
        assert body["granted_segments"] == segments
    assert (await gate.post("/v1/checks/sms", json=sms("both", text="a", segments=1))).status_code == 422


async def test_an_sms_from_a_name_is_allowed(gate: httpx.AsyncClient, books: TestBooks, sms: Body) -> None:
    await books.open_account()
    assert (await gate.post("/v1/checks/sms", json=sms(**{"from": "Ringfence"}))).status_code == 200


async def test_messages_are_all_or_nothing(gate: httpx.AsyncClient, books: TestBooks, sms: Body) -> None:
    """SMS and chat are all or nothing; "… to send message"."""
    await books.open_account(balance_micros=25_000)
    answer = await gate.post("/v1/checks/sms", json=sms("m1", segments=3))
    assert answer.status_code == 402
    assert answer.json()["error"]["message"] == "Wallet balance below minimum to send message"
    assert answer.json()["error"]["required_usd"] == 0.03
    chat = {"account_id": ACCOUNT, "message_id": "m2", "messages": 3}
    assert (await gate.post("/v1/checks/chat", json=chat)).status_code == 402
    assert (await gate.post("/v1/checks/chat", json=chat | {"messages": 2})).json()["granted_messages"] == 2
    assert [kind for kind, _ in await books.events()] == ["sms_rejected_insufficient", "chat_rejected_insufficient"]


async def test_the_same_message_again_returns_the_same_hold(
    gate: httpx.AsyncClient, books: TestBooks, sms: Body
) -> None:
    await books.open_account()
    first = await gate.post("/v1/checks/sms", json=sms(text="hello"))
    assert (await gate.post("/v1/checks/sms", json=sms(text="hello"))).json() == first.json()
    assert (await gate.post("/v1/checks/sms", json=sms(text="other"))).status_code == 409


async def test_an_sms_and_a_chat_of_one_id_are_two_holds(gate: httpx.AsyncClient, books: TestBooks, sms: Body) -> None:
    await books.open_account()
    first = (await gate.post("/v1/checks/sms", json=sms("m1"))).json()
    other = (await gate.post("/v1/checks/chat", json={"account_id": ACCOUNT, "message_id": "m1"})).json()
    assert first["hold_id"] != other["hold_id"]
    assert (await books.account())["open_call_holds"] == 0


async def test_messages_are_not_limited_by_concurrent_calls(
    gate: httpx.AsyncClient, books: TestBooks, sms: Body
) -> None:
    await books.open_account(max_concurrent_calls=0)
    assert (await gate.post("/v1/checks/sms", json=sms())).status_code == 200


async def test_a_received_sms_at_zero_follows_the_inbound_policy(
    gate: httpx.AsyncClient, books: TestBooks, sms: Body
) -> None:
    """Inbound at zero: per account `inbound_policy`."""
    await books.open_account(balance_micros=0)
    assert (await gate.post("/v1/checks/sms", json=sms("m1", direction="inbound"))).status_code == 402
    await books.change(inbound_policy="allow")
    body = (await gate.post("/v1/checks/sms", json=sms("m2", direction="inbound", segments=2))).json()
    assert (body["granted_segments"], body["held_usd"]) == (2, "0.00")


async def test_a_campaign_holds_nothing(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """no hold; needs cost(60) to `to`, without it the setting `campaign_minimum_cents` (20); the same 402."""
    await books.open_account(balance_micros=190_000)
    campaign = {"account_id": ACCOUNT, "campaign_id": "k1"}
    refused = await gate.post("/v1/checks/campaign", json=campaign)
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "insufficient_balance"
    assert refused.json()["error"]["required_usd"] == 0.2
    allowed = await gate.post("/v1/checks/campaign", json=campaign | {"to": "+14155550100"})
    assert allowed.status_code == 200
    assert allowed.json()["decision"] == "allow"
    assert (await books.account())["held_micros"] == 0
    assert [kind for kind, _ in await books.events()] == ["campaign_rejected_insufficient"]
    shown = await gate.get("/v1/checks/campaign/k1", params={"account_id": ACCOUNT})
    assert shown.json()["state"] == "refused"
