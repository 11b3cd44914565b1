"""Contract §4, prices: published in versions, overridden per account, quoted without being posted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.services.ledger_api.conftest import OpenAccount, TellUsage, error_of, paths_of
from tests.usage import call_ended, envelope, sms_sent

VOICE = {"item": "voice", "price_usd": "0.05", "per": "minute"}
SMS = {"item": "sms", "price_usd": "0.0075", "per": "segment"}


async def quoted(platform: httpx.AsyncClient, *events: Any, **body: Any) -> dict[str, Any]:
    answer = await platform.post("/v1/prices/quote", json={"events": list(events), **body})
    assert answer.status_code == 200, answer.text
    quote: dict[str, Any] = answer.json()
    return quote


async def test_a_fresh_deployment_has_a_price_book(platform: httpx.AsyncClient) -> None:
    """«A fresh deployment has price book version 1 [C, S]: voice $0.10, telephony $0.08, recording $0.02 per minute,
    chat $0.01, SMS $0.01 per segment, number $2.50 per 30d, for all destinations»."""
    book = (await platform.get("/v1/prices")).json()
    assert book["version"] == 1
    assert {(item["item"], item["price_usd"], item["per"]) for item in book["items"]} == {
        ("voice", "0.10", "minute"),
        ("telephony", "0.08", "minute"),
        ("recording", "0.02", "minute"),
        ("chat", "0.01", "message"),
        ("sms", "0.01", "segment"),
        ("number", "2.50", "30d"),
    }


async def test_ten_dollars_are_so_much(platform: httpx.AsyncClient) -> None:
    """«($10 ≈ 100 minutes of voice, 50 of all three, 1,000 chats)»."""
    chats = envelope("chat.message", {"account_id": "x", "chat_id": "c", "messages": 1_000})
    quote = await quoted(platform, call_ended("x", "c", 50 * 60, recorded_seconds=50 * 60), chats)
    assert [entry["total_usd"] for entry in quote["data"]] == ["10.00", "10.00"]
    only_voice = {"zones": {}, "items": [{"item": "voice", "price_usd": "0.10", "per": "minute"}]}
    assert (await quoted(platform, call_ended("x", "c", 6_000), prices=only_voice))["total_usd"] == "10.00"


async def test_publishing_makes_a_new_version(platform: httpx.AsyncClient) -> None:
    """«`PUT /v1/prices` publishes a new version of the price book»; «`GET /v1/prices[?version]`»."""
    published = await platform.put("/v1/prices", json={"zones": {"de": ["49", "+4930"]}, "items": [VOICE, SMS]})
    assert published.status_code == 200
    assert published.json()["version"] == 2
    present = (await platform.get("/v1/prices")).json()
    assert present == published.json()
    assert present["zones"] == {"de": ["49", "4930"]}
    assert (await platform.get("/v1/prices?version=1")).json()["items"][0]["price_usd"] == "0.10"
    assert error_of(await platform.get("/v1/prices?version=3")) == (404, "not_found")
    for version in ("0", "-1", "x", "99999999999"):
        assert paths_of(await platform.get(f"/v1/prices?version={version}")) == ["version"]


async def test_a_book_that_was_read_can_be_put_back(platform: httpx.AsyncClient) -> None:
    book = (await platform.get("/v1/prices")).json()
    del book["effective_at"]
    again = await platform.put("/v1/prices", json=book)
    assert (again.status_code, again.json()["version"]) == (200, 2)


async def test_prices_take_effect_when_they_say(platform: httpx.AsyncClient) -> None:
    """«effective_at? (not in the past)»."""
    later = datetime.now(UTC) + timedelta(days=1)
    published = await platform.put("/v1/prices", json={"effective_at": later.isoformat(), "items": [VOICE, SMS]})
    assert published.json()["version"] == 2
    assert (await platform.get("/v1/prices")).json()["version"] == 1
    before, after = (sms_sent("x", "m1", time=later + timedelta(seconds=seconds)) for seconds in (-1, 0))
    assert [entry["total_usd"] for entry in (await quoted(platform, before, after))["data"]] == ["0.01", "0.0075"]
    await platform.post("/v1/test/clock", json={"advance_seconds": 86_401})
    assert (await platform.get("/v1/prices")).json()["version"] == 2

    for effective_at in ("2020-01-01T00:00:00Z", datetime.now(UTC).isoformat(), "tomorrow", True, 1_600_000_000):
        refused = await platform.put("/v1/prices", json={"effective_at": effective_at, "items": [VOICE]})
        assert paths_of(refused) == ["effective_at"], effective_at


async def test_what_can_not_be_published_is_refused_with_its_faults(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«equal twins → 422 on publish»; «Prices are decimal strings ("0.0075", ≤ 6 decimals, ≥ 0)»."""
    await open_account(id="acme")
    for path in ("/v1/prices", "/v1/accounts/acme/prices"):
        twins = await platform.put(path, json={"items": [VOICE, {**VOICE, "price_usd": "0.06"}]})
        assert paths_of(twins) == ["items.1"]
        for price in ("-0.01", "0.0000001", "1e-2", "NaN", "", " 1", "٣", "1_000", 0.05, 5, True, "9" * 5_000):
            refused = await platform.put(path, json={"items": [{**VOICE, "price_usd": price}]})
            assert paths_of(refused) == ["items.0.price_usd"], price
        assert paths_of(await platform.put(path, json={"items": [{**VOICE, "zone": "mars"}]})) == ["items.0.zone"]
        assert paths_of(await platform.put(path, json={})) == ["items"]
        for body in ("[]", '"x"', "7", "null"):
            refused = await platform.put(path, content=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request"), body
    assert (await platform.get("/v1/prices")).json()["version"] == 1


async def test_a_large_book_is_published(platform: httpx.AsyncClient) -> None:
    """«prices 8 MiB»: 200,000 prefixes in 2,000 zones."""
    zones = {f"zone {zone}": [f"{zone + 1_000}{place:03}" for place in range(100)] for zone in range(2_000)}
    items = [{**VOICE, "zone": zone, "price_usd": f"0.{place + 1:06}"} for place, zone in enumerate(zones)]
    answer = await platform.put("/v1/prices", json={"zones": zones, "items": [*items, SMS]})
    assert answer.status_code == 200
    later = datetime.now(UTC) + timedelta(minutes=2)
    call = call_ended("x", "c", 60, to="+1500042999", ended_at=later)
    assert (await quoted(platform, call))["total_usd"] == "0.000501"


async def test_an_accounts_own_prices_beat_the_book(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«`PUT /v1/accounts/{id}/prices` {items}: overrides, versioned alike, beat any book item»."""
    await open_account(id="acme")
    none = (await platform.get("/v1/accounts/acme/prices")).json()
    assert (none["version"], none["items"]) == (0, [])
    zones = {"de": ["49"]}
    book = [{**VOICE, "zone": "de", "price_usd": "0.5"}, SMS]
    await platform.put("/v1/prices", json={"zones": zones, "items": book})
    own = await platform.put("/v1/accounts/acme/prices", json={"items": [{**VOICE, "price_usd": "0.01"}]})
    assert (own.status_code, own.json()["version"]) == (200, 1)
    second = await platform.put("/v1/accounts/acme/prices", json={"items": [{**VOICE, "price_usd": "0.02"}]})
    assert second.json()["version"] == 2
    assert (await platform.get("/v1/accounts/acme/prices")).json() == second.json()
    assert (await platform.get("/v1/accounts/acme/prices?version=1")).json() == own.json()
    assert error_of(await platform.get("/v1/accounts/acme/prices?version=9")) == (404, "not_found")

    now = datetime.now(UTC) + timedelta(seconds=61)
    quote = await quoted(
        platform, call_ended("acme", "c1", 60, ended_at=now), call_ended("other", "c1", 60, ended_at=now)
    )
    assert [entry["total_usd"] for entry in quote["data"]] == ["0.02", "0.50"]
    assert (await platform.get("/v1/accounts/acme")).json()["prices_version"] == 2


async def test_a_quote_is_what_is_posted(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    """«→ {data: [{index, total_usd (exact decimal string), components: [{item, billed, unit, price_usd, per,
    amount_usd}]…}], total_usd}: what would this cost, nothing posted»."""
    await open_account(id="acme")
    events = [call_ended("acme", "c1", 61, recorded_seconds=61), sms_sent("acme", "m1", 3)]
    quote = await quoted(platform, *events)
    assert quote["data"][0] == {
        "index": 0,
        "total_usd": "0.40",
        "components": [
            {"item": item, "billed": 2, "unit": "minute", "price_usd": price, "per": "minute", "amount_usd": amount}
            for item, price, amount in (
                ("voice", "0.10", "0.20"),
                ("telephony", "0.08", "0.16"),
                ("recording", "0.02", "0.04"),
            )
        ],
    }
    assert quote["total_usd"] == "0.43"
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000
    await tell_usage("acme", *events)
    headers = {"Ringfence-Account": "acme"}
    entries = (await platform.get("/v1/billing/transactions?kind=debit", headers=headers)).json()
    assert sorted(entry["amount_micros"] for entry in entries) == [-400_000, -30_000]
    posted = next(entry for entry in entries if entry["call_id"])["metadata"]["components"]
    assert posted == quote["data"][0]["components"]


async def test_a_quote_tries_a_book_that_is_only_proposed(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«prices?: a price book»."""
    proposed = {"zones": {"de": ["49"]}, "items": [{**VOICE, "zone": "de", "increment_seconds": 1}]}
    quote = await quoted(platform, call_ended("acme", "c1", 61), sms_sent("acme", "m1"), prices=proposed)
    assert quote["data"][0]["total_usd"] == "0.050833"
    assert quote["data"][1]["error"]["code"] == "destination_not_priced"
    assert quote["total_usd"] == "0.050833"
    faulty = {"events": [], "prices": {"items": [VOICE, VOICE]}}
    assert paths_of(await platform.post("/v1/prices/quote", json=faulty)) == ["prices.items.1"]
    assert (await platform.get("/v1/prices")).json()["version"] == 1


async def test_each_bad_event_of_a_quote_has_its_error(platform: httpx.AsyncClient) -> None:
    """«| error: {code, message}»; the good ones beside it are priced."""
    good = sms_sent("x", "m1")
    adjusted = {"account_id": "x", "refers_to": {"source": "sip", "id": "1"}, "duration_seconds": 1}
    bad = [
        7,
        {},
        {**good, "specversion": "0.3"},
        {**good, "type": "fax.sent"},
        {**good, "data": {**good["data"], "segments": -1}},
        {**good, "data": {**good["data"], "segments": 2**63}},
        {**good, "time": "9999-12-31T00:00:00Z"},
        envelope("usage.adjusted", adjusted),
    ]
    quote = await quoted(platform, *bad, good)
    assert [entry["index"] for entry in quote["data"]] == list(range(len(bad) + 1))
    assert [entry.get("error", {}).get("code") for entry in quote["data"]] == [
        "invalid_event",
        "invalid_event",
        "invalid_event",
        "unknown_type",
        "invalid_event",
        "invalid_event",
        "future_time",
        "not_quotable",
        None,
    ]
    assert all(entry["error"]["message"] for entry in quote["data"][:-1])
    assert quote["total_usd"] == "0.01"
    assert (await quoted(platform))["data"] == []


async def test_renting_a_number_is_quoted_with_its_set_up(platform: httpx.AsyncClient) -> None:
    """«none at renting (that is `setup_usd`)»."""
    rented = envelope(
        "number.rented",
        {"account_id": "x", "number_id": "n1", "number": "+4930123456", "at": datetime.now(UTC).isoformat()},
    )
    assert (await quoted(platform, rented))["total_usd"] == "0.00"
    item = {"item": "number", "price_usd": "2.50", "per": "month", "setup_usd": "1.25"}
    quote = await quoted(platform, rented, prices={"items": [item]})
    assert quote["total_usd"] == "1.25"
