"""Contract §4, Numbers: listed with their fees, suspended and reinstated by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.services.ledger_api.conftest import OpenAccount, error_of, until
from tests.usage import envelope


def number_event(change: str, account_id: str, number_id: str, number: str, at: datetime) -> dict[str, Any]:
    data = {"account_id": account_id, "number_id": number_id, "number": number, "at": at.isoformat()}
    return envelope(f"number.{change}", data, time=at)


@pytest.fixture
async def rented_at(platform: httpx.AsyncClient, open_account: OpenAccount) -> datetime:
    """Acme rents n1 and n2, n2 a minute later; Other rents a number with the id n1 as well."""
    await open_account(id="acme")
    await open_account(id="other")
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    events = [
        number_event("rented", "acme", "n1", "+4930111", at),
        number_event("rented", "acme", "n2", "+4930222", at + timedelta(minutes=1)),
        number_event("rented", "other", "n1", "+4930333", at - timedelta(minutes=1)),
    ]
    assert (await platform.post("/v1/usage", json=events)).json()["accepted"] == 3

    async def all_there() -> bool:
        return bool((await platform.get("/v1/numbers")).json()["total"] == 3)

    await until(all_there)
    return at


async def test_numbers_are_listed_with_what_they_cost(platform: httpx.AsyncClient, rented_at: datetime) -> None:
    """«fee $2.50 per number [S], charged at each 30-day mark from renting»."""
    page = (await platform.get("/v1/numbers")).json()
    assert [(number["account_id"], number["number_id"]) for number in page["data"]] == [
        ("acme", "n2"),
        ("acme", "n1"),
        ("other", "n1"),
    ]
    n1 = page["data"][1]
    assert n1["number"] == "+4930111"
    assert (n1["status"], n1["reason"]) == ("active", None)
    assert datetime.fromisoformat(n1["rented_at"]) == rented_at
    assert datetime.fromisoformat(n1["next_fee_at"]) == rented_at + timedelta(days=30)
    assert (n1["released_at"], n1["fee_usd"], n1["per"]) == (None, "2.50", "30d")
    assert (page["total"], page["limit"], page["offset"]) == (3, 50, 0)


async def test_the_numbers_of_one_account_are_listed(platform: httpx.AsyncClient, rented_at: datetime) -> None:
    page = (await platform.get("/v1/numbers?account_id=acme&limit=1")).json()
    assert (page["total"], [number["number_id"] for number in page["data"]]) == (2, ["n2"])
    assert error_of(await platform.get("/v1/numbers?account_id=nobody")) == (404, "not_found")


async def test_a_number_is_suspended_and_reinstated_by_hand(platform: httpx.AsyncClient, rented_at: datetime) -> None:
    """«`POST /v1/numbers/{number_id}/suspend|reinstate` does one by hand»; both are told, once."""
    for _ in range(2):
        suspended = await platform.post("/v1/numbers/n2/suspend", json={"account_id": "acme"})
        assert (suspended.status_code, suspended.json()["status"], suspended.json()["reason"]) == (
            200,
            "suspended",
            "manual",
        )
    page = (await platform.get("/v1/numbers?status=suspended")).json()
    assert [number["number_id"] for number in page["data"]] == ["n2"]
    for _ in range(2):
        reinstated = await platform.post("/v1/numbers/n2/reinstate", json={"account_id": "acme"})
        assert (reinstated.json()["status"], reinstated.json()["reason"]) == ("active", None)
    for event_type in ("number_suspended", "number_reinstated"):
        events = (await platform.get(f"/v1/accounts/acme/events?type={event_type}")).json()
        assert events["total"] == 1
        assert events["data"][0]["data"].items() >= {"number_id": "n2", "number": "+4930222", "by": "manual"}.items()


async def test_the_account_is_named_where_the_id_alone_is_not_enough(
    platform: httpx.AsyncClient, rented_at: datetime
) -> None:
    assert error_of(await platform.post("/v1/numbers/n1/suspend")) == (422, "account_required")
    assert (await platform.post("/v1/numbers/n2/suspend")).json()["account_id"] == "acme"
    assert error_of(await platform.post("/v1/numbers/n9/suspend")) == (404, "not_found")
    assert error_of(await platform.post("/v1/numbers/n1/suspend", json={"account_id": "nobody"})) == (404, "not_found")
    assert error_of(await platform.post("/v1/numbers/a%00b/suspend")) == (404, "not_found")


async def test_a_released_number_costs_nothing_more(platform: httpx.AsyncClient, rented_at: datetime) -> None:
    """«none after `number.released`»."""
    released = number_event("released", "acme", "n1", "+4930111", rented_at + timedelta(hours=1))
    await platform.post("/v1/usage", json=released)

    async def is_released() -> Any:
        page = (await platform.get("/v1/numbers?account_id=acme&status=released")).json()
        return page["data"]

    (number,) = await until(is_released)
    assert number["number_id"] == "n1"
    assert (number["next_fee_at"], number["fee_usd"]) == (None, None)
    assert datetime.fromisoformat(number["released_at"]) == rented_at + timedelta(hours=1)
