"""Contract §0, Errors: one shape for every refusal, whatever went wrong."""

import asyncpg
import httpx
import orjson
import pytest

from tests.conftest import HostServices
from tests.services.ledger_api.conftest import OpenAccount, error_of, paths_of

KIB = 1024


async def test_an_error_has_a_code_a_message_and_the_request_id(platform: httpx.AsyncClient) -> None:
    """«`{"error": {"code", "message", "request_id", …}}`, always, also for 404, 405 and 500»."""
    for method, path, status, code in (
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/accounts", 405, "method_not_allowed"),
        ("DELETE", "/v1/usage", 405, "method_not_allowed"),
        ("GET", "/v1/accounts/nobody", 404, "not_found"),
    ):
        answer = await platform.request(method, path)
        assert error_of(answer) == (status, code), path
        assert answer.json()["error"]["message"]
        assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]


async def test_an_empty_body_is_no_json_and_a_load_balancer_may_ask_with_head(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«Not JSON → 400 `invalid_json`; validation → 422»: JSON of another shape is not valid, nothing at all no JSON."""
    await open_account(id="acme")
    acme = {"Ringfence-Account": "acme"}
    for method, path in (
        ("POST", "/v1/accounts"),
        ("PATCH", "/v1/accounts/acme"),
        ("POST", "/v1/accounts/acme/adjustments"),
        ("PUT", "/v1/prices"),
        ("PATCH", "/v1/billing"),
        ("POST", "/v1/billing/top-up"),
        ("POST", "/v1/wallet/topup"),
        ("POST", "/v1/transactions/1/refund"),
        ("POST", "/v1/checks/call"),
        ("POST", "/v1/usage"),
    ):
        assert error_of(await platform.request(method, path, headers=acme)) == (400, "invalid_json"), path
        for shape in (b"null", b"[]", b'"text"'):
            answer = await platform.request(method, path, headers=acme, content=shape)
            assert error_of(answer) == (422, "invalid_request"), (path, shape)
    assert (await platform.post("/v1/accounts/acme/reinstate")).status_code == 200, (
        "where none is needed, none is asked"
    )
    for path in ("/healthz", "/readyz"):
        asked = await platform.head(path)
        assert (asked.status_code, asked.content) == (200, b"")


async def test_our_own_mistake_has_the_same_shape(
    platform: httpx.AsyncClient, open_account: OpenAccount, database_url: str
) -> None:
    """«also for 404, 405 and 500»: the books are damaged by hand, so that a statement fails."""
    await open_account(id="acme")
    books = await asyncpg.connect(database_url)
    await books.execute("ALTER TABLE ledger.account_prices RENAME TO elsewhere")
    answer = await platform.get("/v1/accounts/acme/prices")
    await books.execute("ALTER TABLE ledger.elsewhere RENAME TO account_prices")
    await books.close()
    assert error_of(answer) == (500, "internal_error")
    assert answer.json()["error"]["request_id"] == answer.headers["X-Request-Id"]
    assert "account_prices" not in answer.text


async def test_a_request_id_is_echoed_or_made(platform: httpx.AsyncClient) -> None:
    """«`X-Request-Id` is echoed or made»."""
    echoed = await platform.get("/v1/accounts", headers={"X-Request-Id": "call-42"})
    assert echoed.headers["X-Request-Id"] == "call-42"
    first, second = await platform.get("/v1/accounts"), await platform.get("/v1/accounts")
    assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
    made = await platform.get("/v1/accounts", headers={"X-Request-Id": "no spaces, please"})
    assert made.headers["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"name": NaN}',
        b'{"name": "a", "name": "b"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000b"}',
        b'\xef\xbb\xbf{"name": "a"}',
        '{"name": "a"}'.encode("utf-16"),
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b'{"credit_limit_cents": 1e400}',
        b'{"credit_limit_cents": Infinity}',
        b'{"credit_limit_cents": 1_000}',
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_not_json_is_told_so(platform: httpx.AsyncClient, body: bytes) -> None:
    """«Not JSON → 400 `invalid_json`»."""
    limit = 413 if len(body) > 64 * KIB else 400
    for path in ("/v1/accounts", "/v1/usage", "/v1/prices/quote", "/v1/test/clock"):
        answer = await platform.post(path, content=body)
        if limit == 413 and path in ("/v1/accounts", "/v1/test/clock"):
            assert error_of(answer) == (413, "body_too_large")
        else:
            assert error_of(answer) == (400, "invalid_json"), path


async def test_validation_names_the_fields(platform: httpx.AsyncClient) -> None:
    """«validation → 422 `invalid_request` with `fields: [{path, message}]`»."""
    body = {"name": 7, "email": "nowhere", "credit_limit_cents": -1, "inbound_policy": "maybe", "agency": "yes"}
    refused = await platform.post("/v1/accounts", json=body)
    assert error_of(refused) == (422, "invalid_request")
    assert sorted(paths_of(refused)) == sorted(body)
    assert all(field["message"] for field in refused.json()["error"]["fields"])


async def test_a_body_too_large_is_refused(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«body too large (prices 8 MiB, usage 1 MiB and 1,000 events, else 64 KiB) → 413 `body_too_large`»."""
    await open_account(id="acme")
    for method, path, limit in (
        ("POST", "/v1/accounts", 64 * KIB),
        ("POST", "/v1/accounts/acme/adjustments", 64 * KIB),
        ("POST", "/v1/usage", 1024 * KIB),
        ("PUT", "/v1/prices", 8 * 1024 * KIB),
        ("PUT", "/v1/accounts/acme/prices", 8 * 1024 * KIB),
        ("POST", "/v1/prices/quote", 8 * 1024 * KIB),
    ):
        head = b'{"x": "'
        fits = head + b"a" * (limit - len(head) - 2) + b'"}'
        assert (await platform.request(method, path, content=fits)).status_code == 422, path
        assert error_of(await platform.request(method, path, content=fits + b" ")) == (413, "body_too_large"), path
    assert error_of(await platform.post("/v1/accounts", content=b"a" * 10_000_000)) == (413, "body_too_large")
    for path, body in (("/v1/usage", [{}] * 1_001), ("/v1/prices/quote", {"events": [{}] * 1_001})):
        assert error_of(await platform.post(path, content=orjson.dumps(body))) == (413, "body_too_large")


async def test_an_empty_body_is_refused(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme")
    for method, path in (
        ("POST", "/v1/accounts"),
        ("POST", "/v1/accounts/acme/suspend"),
        ("POST", "/v1/accounts/acme/adjustments"),
        ("PUT", "/v1/prices"),
        ("PUT", "/v1/accounts/acme/prices"),
        ("POST", "/v1/prices/quote"),
        ("POST", "/v1/usage"),
        ("POST", "/v1/test/clock"),
        ("POST", "/v1/transactions/1/refund"),
    ):
        assert (await platform.request(method, path)).status_code in (400, 422), path


async def test_too_fast_is_told_to_wait(host_services: HostServices) -> None:
    """«too fast → 429 `rate_limited` + `Retry-After`»; the platform carries everybody's traffic and is not limited."""
    hosted = await host_services(rate_limit_per_second=1, rate_limit_burst=2)
    headers = {"Authorization": f"Bearer {hosted.host.settings.platform_key}"}
    async with httpx.AsyncClient(base_url=hosted.url, headers=headers) as platform:
        opened = (await platform.post("/v1/accounts", json={"name": "Acme"})).json()
        own = {"Authorization": f"Bearer {opened['api_key']}"}
        answers = [await platform.get("/v1/wallet/balance", headers=own) for _ in range(4)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        assert error_of(answers[3]) == (429, "rate_limited")
        assert int(answers[3].headers["Retry-After"]) >= 1
        assert {(await platform.get("/v1/accounts")).status_code for _ in range(10)} == {200}
