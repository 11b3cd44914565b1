"""Contract §0, Ids: «a JSON integer and its decimal string are the same id, echoed as it was sent»."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.services.ledger_api.conftest import ClientOf, OpenAccount, TellUsage, until
from tests.usage import call_ended, envelope, sms_sent


@pytest.mark.parametrize(("sent", "other"), [(4711, "4711"), ("4712", 4712)])
async def test_an_account_is_shown_by_the_id_that_was_sent(
    platform: httpx.AsyncClient, open_account: OpenAccount, sent: int | str, other: int | str
) -> None:
    opened = await open_account(id=sent)
    read = (await platform.get(f"/v1/accounts/{sent}")).json()
    page = (await platform.get("/v1/accounts")).json()["data"]
    assert opened["id"] == read["id"] == read["account_id"] == sent
    assert sent in [account["id"] for account in page]
    again = await platform.post("/v1/accounts", json={"id": other, "name": "Twin"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "account_exists")
    events = (await platform.get(f"/v1/accounts/{sent}/events")).json()["data"]
    assert {event["data"]["account_id"] for event in events} == {sent}


async def test_an_integer_is_an_id_everywhere_or_nowhere(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """Beyond 64 bits parsers differ: it was an account's id, shown as text, and no call's. As a string it is one."""
    greatest = 2**64 - 1
    await open_account(id="wide")
    check = {"account_id": "wide", "direction": "outbound", "from": "+15550100", "to": "+4930123456"}
    for sent, status in ((greatest, 201), (greatest + 1, 422), (str(greatest + 1), 201)):
        opened = await platform.post("/v1/accounts", json={"id": sent, "name": "Wide"})
        assert (opened.status_code, opened.json().get("id", sent)) == (status, sent)
        asked = await platform.post("/v1/checks/call", json={**check, "call_id": sent})
        assert asked.status_code == (200 if status == 201 else 422)
        told = await platform.post("/v1/usage", json=sms_sent("wide", sent))  # type: ignore[arg-type]
        assert told.status_code == (202 if status == 201 else 422)


async def test_usage_is_shown_by_the_ids_that_were_sent(
    platform: httpx.AsyncClient, open_account: OpenAccount, client_of: ClientOf, tell_usage: TellUsage
) -> None:
    opened = await open_account(id="forms")
    rented = {"account_id": "forms", "number_id": 9, "number": "+15550100", "at": datetime.now(UTC).isoformat()}
    assert (await platform.post("/v1/usage", json=envelope("number.rented", rented))).status_code == 202
    call: dict[str, Any] = call_ended("forms", "1", 60, number_id=9)
    call["data"]["call_id"] = 1
    await tell_usage("forms", call, call_ended("forms", "2", 60, number_id="9"), sms_sent("forms", "3x"))

    async def settled() -> list[Any]:
        events = (await platform.get("/v1/accounts/forms/events", params={"type": "balance_changed"})).json()["data"]
        told = [ref for event in events for ref in event["data"]["settled"]]
        return told if len(told) == 3 else []

    assert sorted(await until(settled), key=str) == [1, "2", "3x"]
    customer = await client_of(opened["api_key"])
    shown = (await customer.get("/v1/billing/transactions", params={"kind": "debit"})).json()
    assert [entry["call_id"] for entry in reversed(shown)] == [1, "2", None]
    assert [entry["reference"]["id"] for entry in reversed(shown)] == [1, "2", "3x"]
    assert [entry["phone_number_id"] for entry in reversed(shown)] == [9, 9, None]

    async def numbers() -> Any:
        return (await platform.get("/v1/numbers", params={"account_id": "forms"})).json()["data"]

    assert [number["number_id"] for number in await until(numbers)] == [9]


async def test_a_chat_s_id_is_shown_as_it_was_sent_wherever_it_stands(
    platform: httpx.AsyncClient, open_account: OpenAccount, client_of: ClientOf, tell_usage: TellUsage
) -> None:
    opened = await open_account(id="talker")
    chats = [envelope("chat.message", {"account_id": "talker", "chat_id": chat_id}) for chat_id in (5, "6", "c7")]
    await tell_usage("talker", *chats)
    customer = await client_of(opened["api_key"])

    async def told() -> Any:
        shown = (await customer.get("/v1/billing/transactions", params={"kind": "debit"})).json()
        return shown if len(shown) == 3 else []

    shown = list(reversed(await until(told)))
    assert [entry["reference"]["id"] for entry in shown] == [5, "6", "c7"]
    assert [entry["metadata"]["chat_id"] for entry in shown] == [5, "6", "c7"]
    assert list(shown[0]["metadata"]) == list(shown[2]["metadata"])


async def test_a_hold_is_shown_by_the_id_that_was_sent(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="holder")
    check = {"account_id": "holder", "direction": "outbound", "from": "+15550100", "to": "+4930123456"}
    for call_id in (1, "2", "c3"):
        answer = await platform.post("/v1/checks/call", json={**check, "call_id": call_id})
        assert answer.status_code == 200, answer.text
    holds = (await platform.get("/v1/holds", params={"account_id": "holder"})).json()["data"]
    assert sorted([hold["id"] for hold in holds], key=str) == [1, "2", "c3"]
