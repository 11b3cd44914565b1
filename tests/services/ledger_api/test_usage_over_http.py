"""Contract §3, In: `POST /v1/usage` takes the same bodies as the exchange, and answers when the broker has them."""

from typing import Any

import httpx

from tests.services.ledger_api.conftest import OpenAccount, TellUsage, error_of, until
from tests.usage import call_ended, sms_sent


async def test_one_event_or_an_array_is_taken(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«`POST /v1/usage` (same bodies; answered after the broker confirmed: 202 {"accepted", "rejected": […]})»."""
    await open_account(id="acme")
    one = await platform.post("/v1/usage", json=sms_sent("acme", "m1"))
    assert (one.status_code, one.json()) == (202, {"accepted": 1, "rejected": []})
    several = await platform.post("/v1/usage", json=[sms_sent("acme", f"m{place}") for place in range(2, 252)])
    assert (several.status_code, several.json()["accepted"]) == (202, 250)

    async def all_billed() -> bool:
        return bool((await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000 - 251)

    await until(all_billed)


async def test_events_told_again_change_nothing(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«equal → ignored»: a client that got no answer may send all of it again."""
    await open_account(id="acme")
    event = call_ended("acme", "c1", 60)
    await tell_usage("acme", event)
    assert (await platform.post("/v1/usage", json=[event, event])).json()["accepted"] == 2
    await tell_usage("acme", sms_sent("acme", "m1"))
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000 - 18 - 1


async def test_bad_events_are_named_and_the_good_ones_beside_them_are_billed(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«"rejected": [{index, code, message}]»."""
    await open_account(id="acme")
    good = sms_sent("acme", "m1")
    bad: list[Any] = [
        7,
        {**good, "id": ""},
        {**good, "type": "fax.sent"},
        {**good, "data": {**good["data"], "segments": 0}},
        {**good, "data": {**good["data"], "account_id": "no such id!"}},
        {**good, "time": "9999-12-31T00:00:00Z"},
        {**good, "time": "2026-01-01T00:00:00"},
    ]
    answer = await platform.post("/v1/usage", json=[*bad, good])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert [(each["index"], each["code"]) for each in answer.json()["rejected"]] == [
        (0, "invalid_event"),
        (1, "invalid_event"),
        (2, "unknown_type"),
        (3, "invalid_event"),
        (4, "invalid_event"),
        (5, "future_time"),
        (6, "invalid_event"),
    ]
    assert all(each["message"] for each in answer.json()["rejected"])

    async def billed() -> bool:
        return bool((await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 999)

    await until(billed)


async def test_when_no_event_is_good_the_request_is_not(platform: httpx.AsyncClient) -> None:
    """«422 when none is good»."""
    for body in ([], {}, 7, [7, {}], [[]], "x"):
        answer = await platform.post("/v1/usage", json=body)
        assert error_of(answer) == (422, "invalid_request"), body
        assert answer.json()["accepted"] == 0
    assert [each["index"] for each in (await platform.post("/v1/usage", json=[7, {}])).json()["rejected"]] == [0, 1]


async def test_a_thousand_events_are_taken_at_once(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«usage 1 MiB and 1,000 events»."""
    await open_account(id="acme", signup_credit_cents=100_000)
    answer = await platform.post("/v1/usage", json=[sms_sent("acme", f"m{place}") for place in range(1_000)])
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1_000)

    async def all_billed() -> bool:
        return bool((await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 99_000)

    await until(all_billed, seconds=20)
