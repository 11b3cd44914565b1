"""failure-modes, hostile input: on every route a 4xx with a clear error; never a 500, never money."""

import json
from typing import Any

import httpx

from tests.services.ledger_api.conftest import OpenAccount, until
from tests.usage import call_ended, sms_sent

LITERALS = (
    "NaN",
    "-Infinity",
    "1e400",
    "-1e400",
    "1" * 5_000,
    "-" + "9" * 5_000,
    "1_000",
    "true",
    "null",
    "[]",
    "{}",
    "[[[[{}]]]]",
    "-1",
    "1.5",
    "1e3",
    str(2**53 + 1),
    str(2**63),
    str(-(2**63) - 1),
    '"1_000"',
    '"١٢٣"',
    '""',
    '"\\ud800"',
    '"a\\u0000b"',
    '"\\u202eevil"',
    '"\U0001f600"',
    '"cafe\u0301"',
    '"caf\u00e9"',
    '"' + "a" * 129 + '"',
    '"' + "a" * 10_000 + '"',
    '"\'; DROP TABLE ledger.accounts; --"',
    '"\\"\\\\"',
    '"9999-12-31T23:59:59Z"',
    '"2026-01-01T00:00:00"',
    '"0001-01-01T00:00:00Z"',
    "1e15",
)
QUERY_TEXTS = ("\x00", "' OR 1=1 --", "a" * 10_000, "\u202e", "\U0001f600", "-1", "NaN", "1e400", "٣", str(2**63), "")

NAMES_AN_ID = ("parent_id", "account_id", "after")

BODIES: tuple[tuple[str, str, Any], ...] = (
    (
        "POST",
        "/v1/accounts",
        {
            "id": "x",
            "name": "x",
            "email": "a@b.example",
            "parent_id": "agency",
            "agency": False,
            "timezone": "UTC",
            "currency": "usd",
            "credit_limit_cents": 0,
            "inbound_policy": "allow",
            "auto_charge": False,
            "settle_negative": False,
            "low_balance_cents": 0,
            "monthly_spend_limit_cents": 1,
            "max_concurrent_calls": 1,
            "signup_credit_cents": 0,
        },
    ),
    (
        "PATCH",
        "/v1/accounts/acme",
        {
            "name": "x",
            "email": "a@b.example",
            "timezone": "UTC",
            "credit_limit_cents": 0,
            "inbound_policy": "allow",
            "auto_charge": False,
            "low_balance_cents": 0,
            "monthly_spend_limit_cents": 1,
            "max_concurrent_calls": 1,
            "disabled": False,
        },
    ),
    ("POST", "/v1/accounts/acme/suspend", {"reason": "x"}),
    ("POST", "/v1/accounts/acme/keys", {"name": "x"}),
    ("POST", "/v1/accounts/nobody/adjustments", {"amount_cents": 1, "description": "x"}),
    ("POST", "/v1/transactions/1/refund", {"amount_cents": 1, "reason": "x", "to": "wallet"}),
    ("POST", "/v1/numbers/n1/suspend", {"account_id": "acme"}),
    ("PUT", "/v1/prices", {"effective_at": "2199-01-01T00:00:00Z", "zones": {"de": ["49"]}, "items": []}),
    ("PUT", "/v1/accounts/acme/prices", {"effective_at": "2199-01-01T00:00:00Z", "items": []}),
    ("POST", "/v1/prices/quote", {"events": [], "prices": {"items": []}}),
    ("POST", "/v1/test/clock", {"advance_seconds": 0}),
    ("POST", "/v1/test/clock", {"now": "2190-01-01T00:00:00Z"}),
    ("POST", "/v1/usage", sms_sent("nobody", "m1")),
)
ITEM = {
    "item": "voice",
    "tier": "gold",
    "zone": "de",
    "direction": "outbound",
    "price_usd": "0.1",
    "per": "minute",
    "increment_seconds": 1,
    "minimum_seconds": 1,
    "setup_usd": "0",
    "free_seconds": 0,
    "steps": [],
    "hours": {"days": ["mon"], "from": "08:00", "to": "18:00", "timezone": "UTC"},
    "max_usd": "1",
    "round_to_cents": True,
}


def with_literal(body: dict[str, Any], field: str, literal: str) -> bytes:
    """The body as JSON, with the field's value written as given."""
    text = json.dumps({**body, field: "PLACE"}).replace('"PLACE"', literal, 1)
    return text.encode("utf-8", "surrogatepass")


def is_clear(answer: httpx.Response) -> bool:
    """A success, or a refusal with a code and a message."""
    if answer.status_code < 400:
        return True
    error = answer.json()["error"]
    return answer.status_code < 500 and bool(error["code"]) and bool(error["message"])


async def test_no_value_of_a_field_breaks_a_route(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="agency", agency=True)
    await open_account(id="acme")
    for method, path, body in BODIES:
        for field in body:
            for literal in LITERALS:
                answer = await platform.request(method, path, content=with_literal(body, field, literal))
                assert is_clear(answer), (method, path, field, literal[:40], answer.text[:200])
        for content in (b"null", b"7", b'"x"', b"[]", b"true", b"{}", b" "):
            answer = await platform.request(method, path, content=content)
            assert is_clear(answer), (method, path, content, answer.text[:200])
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000


async def test_no_field_of_a_price_breaks_publishing(platform: httpx.AsyncClient) -> None:
    for field in ITEM:
        for literal in LITERALS:
            item = with_literal(ITEM, field, literal).decode("utf-8", "surrogatepass")
            content = '{"zones": {"de": ["49"]}, "items": [' + item + "]}"
            answer = await platform.put("/v1/prices", content=content.encode("utf-8", "surrogatepass"))
            assert is_clear(answer), (field, literal[:40], answer.text[:200])


async def test_no_field_of_usage_breaks_it_and_the_good_events_are_billed(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«a 4xx or a dead letter, never a 500, a loop or money … and the good events beside it are billed»."""
    await open_account(id="acme")
    event = call_ended("acme", "c1", 60)
    for place in range(3):
        assert (await platform.post("/v1/usage", json=sms_sent("acme", f"good-{place}"))).status_code == 202
    data = {**event["data"], "tier": "gold", "number_id": "n1", "agent_id": "a", "failure_reason": "x"}
    hostile = {"account_id", "duration_seconds", "direction", "to", "started_at", "answered_at", "ended_at", "status"}
    for field in data:
        for literal in LITERALS:
            changed = with_literal(data, field, literal).decode("utf-8", "surrogatepass")
            content = json.dumps({**event, "id": f"{field}", "data": "PLACE"}).replace('"PLACE"', changed, 1)
            for path in ("/v1/usage", "/v1/prices/quote"):
                sent = f'{{"events": [{content}]}}' if path.endswith("quote") else content
                if path == "/v1/usage" and field not in hostile:
                    continue
                answer = await platform.post(path, content=sent.encode("utf-8", "surrogatepass"))
                assert is_clear(answer), (path, field, literal[:40], answer.text[:200])
    assert (await platform.post("/v1/usage", json=sms_sent("acme", "good-3"))).status_code == 202

    async def good_ones_billed() -> bool:
        answer = await platform.get(
            "/v1/billing/transactions?kind=debit&limit=200", headers={"Ringfence-Account": "acme"}
        )
        return len([entry for entry in answer.json() if entry["reason"] == "sms"]) == 4

    await until(good_ones_billed)


async def test_no_query_breaks_a_list(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«SQL in every filter»."""
    await open_account(id="acme")
    lists = {
        "/v1/accounts": ("limit", "offset", "parent_id"),
        "/v1/accounts/acme/keys": ("limit", "offset"),
        "/v1/accounts/acme/events": ("limit", "offset", "type", "after"),
        "/v1/accounts/acme/prices": ("version",),
        "/v1/prices": ("version",),
        "/v1/numbers": ("limit", "offset", "account_id", "status"),
        "/v1/billing/transactions": ("limit", "offset", "kind", "start_date", "end_date"),
        "/v1/wallet/transactions": ("limit", "offset", "kind", "start_date", "end_date"),
        "/v1/wallet/analytics": ("days",),
    }
    for path, names in lists.items():
        for name in names:
            for text in QUERY_TEXTS:
                answer = await platform.get(path, params={name: text}, headers={"Ringfence-Account": "acme"})
                assert is_clear(answer), (path, name, text[:20], answer.text[:200])
                assert answer.status_code >= 400 or name in NAMES_AN_ID, (path, name, text)


async def test_no_header_breaks_a_request(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme")
    for text in (b"\xff\xfe", b"a" * 10_000, b"' OR 1=1 --", b"", b"\xc3\xa9"):
        for name in ("Ringfence-Account", "Idempotency-Key", "X-Request-Id", "X-ThunderPhone-Client", "Accept"):
            headers = (
                {name.encode(): text}
                if name == "Ringfence-Account"
                else {
                    name.encode(): text,
                    b"Ringfence-Account": b"acme",
                }
            )
            answer = await platform.get("/v1/billing/transactions", headers=headers)
            assert is_clear(answer), (name, text[:20])
            adjusted = await platform.post(
                "/v1/accounts/acme/adjustments", json={"amount_cents": 0, "description": "x"}, headers=headers
            )
            assert is_clear(adjusted)
    assert (await platform.get("/v1/accounts/acme")).json()["balance_cents"] == 1_000
