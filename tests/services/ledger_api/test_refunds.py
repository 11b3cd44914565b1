"""Contract §4: `POST /v1/transactions/{id}/refund` {amount_cents?, reason, to: wallet|card} → 201 (never more than
the original)."""

import asyncio
from typing import Any

import httpx

from tests.services.ledger_api.conftest import OpenAccount, TellUsage, error_of, paths_of
from tests.usage import call_ended, envelope, sms_sent

HEADERS = {"Ringfence-Account": "acme"}


async def entries(platform: httpx.AsyncClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await platform.get(f"/v1/billing/transactions{query}", headers=HEADERS)).json()
    return found


async def refund(platform: httpx.AsyncClient, transaction_id: object, **body: Any) -> httpx.Response:
    wanted = {"reason": "bad line", "to": "wallet", **body}
    return await platform.post(f"/v1/transactions/{transaction_id}/refund", json=wanted)


async def billed_call(open_account: OpenAccount, tell_usage: TellUsage, platform: httpx.AsyncClient) -> int:
    """A call of 36 cents."""
    await open_account(id="acme")
    await tell_usage("acme", call_ended("acme", "c1", 61))
    transaction_id: int = (await entries(platform))[0]["id"]
    return transaction_id


async def test_a_call_is_given_back_to_the_wallet(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«→ 201»: a positive transaction that ties to the call."""
    call = await billed_call(open_account, tell_usage, platform)
    answer = await refund(platform, call)
    assert answer.status_code == 201
    assert (
        answer.json().items()
        >= {
            "kind": "refund",
            "reason": "refund",
            "amount_cents": 36,
            "amount_micros": 360_000,
            "balance_after_usd": "10.00",
            "call_id": "c1",
            "metadata": {"refunds_transaction": call, "to": "wallet", "reason": "bad line"},
        }.items()
    )
    assert (await entries(platform, "?kind=refund"))[0] == answer.json()


async def test_refunds_are_never_more_than_the_original(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«(never more than the original)», all of them together."""
    call = await billed_call(open_account, tell_usage, platform)
    assert error_of(await refund(platform, call, amount_cents=37)) == (422, "refund_exceeds_original")
    assert (await refund(platform, call, amount_cents=20)).status_code == 201
    assert error_of(await refund(platform, call, amount_cents=17)) == (422, "refund_exceeds_original")
    assert (await refund(platform, call)).json()["amount_cents"] == 16
    refused = await refund(platform, call)
    assert error_of(refused) == (422, "refund_exceeds_original")
    assert refused.json()["error"]["refundable_usd"] == "0.00"
    assert sum(entry["amount_cents"] for entry in await entries(platform)) == 1_000


async def test_parallel_refunds_are_never_more_than_the_original(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    call = await billed_call(open_account, tell_usage, platform)
    answers = await asyncio.gather(*(refund(platform, call, amount_cents=10) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [422] * 7


async def test_what_a_correction_gave_back_is_not_given_back_again(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    await open_account(id="acme")
    event = call_ended("acme", "c1", 61)
    await tell_usage("acme", event)
    call = (await entries(platform))[0]["id"]
    corrected = {
        "account_id": "acme",
        "refers_to": {"source": event["source"], "id": event["id"]},
        "duration_seconds": 60,
    }
    await tell_usage("acme", envelope("usage.adjusted", corrected))
    assert error_of(await refund(platform, call, amount_cents=19)) == (422, "refund_exceeds_original")
    assert (await refund(platform, call)).json()["amount_cents"] == 18


async def test_a_refund_and_a_correction_together_never_give_back_more_than_the_original(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«(never more than the original)», in either order, for calls, messages and chats."""
    await open_account(id="acme")

    async def debited(event: dict[str, Any], quantity: str) -> tuple[int, dict[str, Any]]:
        """Its debit, and a correction to nothing."""
        await tell_usage("acme", event)
        refers_to = {"source": event["source"], "id": event["id"]}
        corrected = {"account_id": "acme", "refers_to": refers_to, quantity: 0}
        return (await entries(platform))[0]["id"], envelope("usage.adjusted", corrected)

    for place in ("first", "then"):
        chat = {"account_id": "acme", "chat_id": f"chat-{place}", "messages": 5}
        for event, quantity in (
            (call_ended("acme", f"call-{place}", 61), "duration_seconds"),
            (sms_sent("acme", f"sms-{place}", 3), "segments"),
            (envelope("chat.message", chat), "messages"),
        ):
            debit, correction = await debited(event, quantity)
            if place == "first":
                assert (await refund(platform, debit)).status_code == 201
                assert (await platform.post("/v1/usage", json=correction)).status_code == 202
            else:
                await tell_usage("acme", correction)
                assert error_of(await refund(platform, debit)) == (422, "refund_exceeds_original"), quantity
    listed = await entries(platform)
    assert sum(entry["amount_micros"] for entry in listed) == 10_000_000
    assert len(listed) == 1 + 6 * 2


async def test_only_debits_are_given_back_to_the_wallet(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme")
    (credit,) = await entries(platform)
    assert error_of(await refund(platform, credit["id"])) == (409, "not_refundable")


async def test_a_transaction_that_does_not_exist_is_not_found(platform: httpx.AsyncClient) -> None:
    assert error_of(await refund(platform, 2**63 - 1)) == (404, "not_found")
    for nonsense in ("0", "-1", "x", "1e3", 2**63, "9" * 30):
        assert paths_of(await refund(platform, nonsense)) == ["transaction_id"], nonsense


async def test_a_refund_says_how_much_why_and_whereto(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    call = await billed_call(open_account, tell_usage, platform)
    for amount_cents in (0, -1, 1.5, "1", True, 2**63, 10**10):
        assert paths_of(await refund(platform, call, amount_cents=amount_cents)) == ["amount_cents"]
    assert paths_of(await refund(platform, call, to="mattress")) == ["to"]
    assert paths_of(await refund(platform, call, reason="")) == ["reason"]
