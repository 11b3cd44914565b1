"""Keys, methods, reads and hostile bodies at the gate (contract §0, §2; the hostile list of the failure modes)."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from services.gatekeeper.hot import ROUTES
from shared.runtime import Hosted
from tests.conftest import PLATFORM_KEY
from tests.services.gatekeeper.books import ACCOUNT, TestBooks

Body = Callable[..., dict[str, Any]]
GOOD = {"account_id": ACCOUNT, "call_id": "c1", "direction": "outbound", "from": "+4930123456", "to": "+14155550100"}


def body_with(name: str, raw: str) -> bytes:
    """The good body with one member's raw JSON."""
    rest = orjson.dumps({key: value for key, value in GOOD.items() if key != name}).decode()
    return f'{rest[:-1]},"{name}":{raw}}}'.encode("utf-8", "surrogatepass")


async def test_basic_auth_works_as_bearer_does(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """Basic auth (any user, key as password) works as Bearer does."""
    await books.open_account()
    basic = base64.b64encode(f"kamailio:{PLATFORM_KEY}".encode()).decode()
    answer = await gate.post("/v1/checks/call", json=call(), headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 200


async def test_the_gate_is_for_platform_keys_alone(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """*Platform* key: … alone it may use §2 (others there 403). No or wrong key → 401 `unauthorized`."""
    await books.open_account()
    await books.connection.execute(
        "INSERT INTO ledger.api_keys (key_id, kind, account_id, secret_hash, hint, created_at)"
        " VALUES ('key_2', 'account', $1, sha256('an account key'), 'x', now())",
        ACCOUNT,
    )
    for path in ("/v1/checks/call", "/v1/checks/call/c1/extend", "/v1/checks/sms/c1/release"):
        account = await gate.post(path, json=call(), headers={"Authorization": "Bearer an account key"})
        assert (account.status_code, account.json()["error"]["code"]) == (403, "forbidden")
        for wrong in (b"Bearer nobody", b"Basic !", b"Basic \xffYTpi", b"Bearer", b""):
            answer = await gate.post(path, json=call(), headers={"Authorization": wrong})
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


async def test_the_request_id_is_echoed_or_made(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """`X-Request-Id` is echoed or made; every error carries it."""
    echoed = await gate.post("/v1/checks/call", json=call(), headers={"X-Request-Id": "mine-1"})
    assert echoed.headers["x-request-id"] == echoed.json()["error"]["request_id"] == "mine-1"
    made = await gate.post("/v1/checks/call", json=call(), headers={"X-Request-Id": "no id"})
    assert made.headers["x-request-id"].startswith("req_")


async def test_other_paths_and_methods_get_our_errors(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """`{"error": {"code", "message", "request_id", …}}`, always, also for 404, 405."""
    for method, path, status in [
        ("GET", "/v1/checks/call", 405),
        ("POST", "/v1/holds", 405),
        ("DELETE", "/v1/checks/call/c1", 405),
        ("POST", "/v1/checks/fax", 404),
        ("POST", "/v1/checks/sms/m1/extend", 404),
        ("GET", "/v1/holdsome", 404),
        ("GET", "/v1/checks/", 404),
        ("GET", "/v1/checks/call/", 404),
    ]:
        answer = await gate.request(method, path, params={"account_id": ACCOUNT})
        assert answer.status_code == status, path
        assert {"code", "message", "request_id"} <= set(answer.json()["error"])


async def test_what_is_declared_is_what_is_served(hosted: Hosted, gate: httpx.AsyncClient) -> None:
    """Those routes are declared to FastAPI for the specs only; a test compares declared with served (design §4)."""
    declared = {
        (method.upper(), path)
        for path, methods in hosted.app.openapi()["paths"].items()
        if path.startswith(("/v1/checks/", "/v1/holds"))
        for method in methods
    }
    assert declared == set(ROUTES)
    for method, path in ROUTES:
        real = path.replace("{kind}", "sms").replace("{call_id}", "x").replace("{id}", "x")
        answer = await gate.request(method, real)
        assert answer.json()["error"]["code"] not in ("not_found", "method_not_allowed"), real


async def test_answers_are_short(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """answers under 4 KB, no redirects."""
    await books.open_account(balance_micros=0)
    answers = [
        await gate.post("/v1/checks/call", json=call("c" * 128)),
        await gate.post("/v1/checks/call", json={name: [[]] * 1000 for name in GOOD}),
        await gate.post("/v1/checks/call", content=b'{"\xff' * 1000),
        await gate.post("/v1/checks/call/" + "x" * 3000 + "/extend", json={}),
    ]
    assert [answer.status_code for answer in answers] == [402, 422, 400, 422]
    assert all(len(answer.content) < 4096 for answer in answers)


async def test_a_body_of_more_than_64_kib_is_refused(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """body too large (… else 64 KiB) → 413 `body_too_large`."""
    answer = await gate.post("/v1/checks/call", content=b" " * (64 * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


NOT_JSON = [
    b"",
    b"{",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    body_with("seconds", "NaN"),
    body_with("seconds", "9" * 5000),
    body_with("seconds", "1e400"),
    body_with("seconds", "Infinity"),
    body_with("to", '"+1\\u0000"'),
    body_with("to", '"\\ud800"'),
    b'{"account_id":"a","account_id":"b"}',
    b"[" * 60_000,
]
NOT_VALID = [
    *(body_with("seconds", raw) for raw in ("true", '"60"', "1e3", "60.0", "-1", "0", str(2**53 + 1), str(2**63))),
    body_with("seconds", '"1_000"'),
    body_with("seconds", '"٦٠"'),
    *(
        body_with("call_id", raw)
        for raw in ('""', '"' + "c" * 129 + '"', '"' + "c" * 10_000 + '"', "true", "1.5", "null")
    ),
    *(body_with("call_id", raw) for raw in ('"a b"', '"é"', '"e\u0301"', '"☎"', '"\u202eabc"', '"a\\nb"', '"a/b"')),
    *(body_with("to", raw) for raw in ('"+1 415 555"', '"letters"', '""', "14155550100", "null")),
    body_with("to", '"+1\'; DROP TABLE"'),
    body_with("from", '"two words"'),
    body_with("direction", '"sideways"'),
    body_with("recorded", "1"),
    body_with("tier", '"a b"'),
    b"[]",
    b"null",
    b'"text"',
    b"{}",
]


@pytest.mark.parametrize("place", range(len(NOT_JSON)))
async def test_what_is_not_json_is_refused(gate: httpx.AsyncClient, books: TestBooks, place: int) -> None:
    """Not JSON → 400 `invalid_json`."""
    await books.open_account()
    answer = await gate.post("/v1/checks/call", content=NOT_JSON[place])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


async def test_what_is_not_valid_is_refused_and_named(gate: httpx.AsyncClient, books: TestBooks) -> None:
    """validation → 422 `invalid_request` with `fields: [{path, message}]`."""
    await books.open_account()
    for content in NOT_VALID:
        answer = await gate.post("/v1/checks/call", content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request"), content[:200]
        assert all(set(field) == {"path", "message"} for field in answer.json()["error"]["fields"])
    assert (await books.account())["held_micros"] == 0
    answer = await gate.post("/v1/checks/call", content=body_with("seconds", "-1"))
    assert [field["path"] for field in answer.json()["error"]["fields"]] == ["seconds"]


async def test_a_check_shows_what_became_of_it(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """GET /v1/checks/{kind}/{id}?account_id= → {state: open|billed|released|orphaned|refused, granted_seconds,
    held_usd, transaction_id, code}."""
    await books.open_account()

    async def show(call_id: str, **query: Any) -> httpx.Response:
        return await gate.get(f"/v1/checks/call/{call_id}", params={"account_id": ACCOUNT, **query})

    for call_id in ("c1", "c2", "c3"):
        await gate.post("/v1/checks/call", json=call(call_id))
    await books.bill("c2")
    await books.bill("c4")
    await gate.post("/v1/checks/call/c3/release", json={"account_id": ACCOUNT})
    opened = (await show("c1")).json()
    assert (opened["state"], opened["granted_seconds"], opened["held_usd"]) == ("open", 60, "0.18")
    assert (opened["transaction_id"], opened["code"]) == (None, None)
    assert ((await show("c2")).json()["state"], (await show("c2")).json()["transaction_id"]) == ("billed", 7)
    assert (await show("c3")).json()["state"] == "released"
    assert (await show("c4")).json()["state"] == "billed"
    assert ((await show("c5")).status_code, (await show("c5")).json()["error"]["code"]) == (404, "not_found")
    assert (await show("c1", account_id="nobody")).json()["error"]["code"] == "account_not_found"
    assert (await gate.get("/v1/checks/call/c1")).status_code == 422
    assert (await show("c1", account_id="' OR 1=1 --")).status_code == 422


async def test_holds_are_listed_newest_first(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """`GET /v1/holds?account_id&state`; lists are newest first: {"data", "total", "limit", "offset"}."""
    await books.open_account()
    for call_id in ("c1", "c2", "c3"):
        await gate.post("/v1/checks/call", json=call(call_id))
    await gate.post("/v1/checks/call/c1/release", json={"account_id": ACCOUNT})
    page = (await gate.get("/v1/holds", params={"account_id": ACCOUNT, "state": "open", "limit": 1})).json()
    assert [hold["id"] for hold in page["data"]] == ["c3"]
    assert (page["total"], page["limit"], page["offset"]) == (2, 1, 0)
    every = (await gate.get("/v1/holds", params={"account_id": ACCOUNT})).json()
    assert [(hold["id"], hold["state"]) for hold in every["data"]] == [
        ("c3", "open"),
        ("c2", "open"),
        ("c1", "released"),
    ]
    for wrong in ({"state": "odd"}, {"limit": "0"}, {"limit": "201"}, {"offset": "-1"}, {"limit": "1e3"}):
        assert (await gate.get("/v1/holds", params={"account_id": ACCOUNT, **wrong})).status_code == 422
    assert (await gate.get("/v1/holds", params={"account_id": "nobody"})).status_code == 404
