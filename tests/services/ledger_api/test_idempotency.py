"""Contract §0, Idempotency: a repeated POST that moves money moves it once and is answered alike."""

import asyncio
from datetime import timedelta

import asyncpg
import httpx

from services.ledger.context import LedgerContext
from services.ledger.jobs import forget_what_is_old
from services.ledger.settings import LedgerSettings
from shared.price_books import PriceBooks
from shared.runtime import Hosted
from tests.services.ledger_api.conftest import OpenAccount, TellUsage, error_of, paths_of, until
from tests.usage import sms_sent

ADJUST = "/v1/accounts/acme/adjustments"
GIVE = {"amount_cents": 500, "description": "Goodwill"}


KEY_IS_CLAIMED = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted
AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 8402)"""


def key(text: str) -> dict[str, str]:
    return {"Idempotency-Key": text}


async def balance(platform: httpx.AsyncClient, account_id: str = "acme") -> int:
    cents: int = (await platform.get(f"/v1/accounts/{account_id}")).json()["balance_cents"]
    return cents


async def test_the_same_request_again_has_the_first_answer_and_moves_nothing(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«Same key and body → the first answer again with `Idempotency-Replayed: true`»."""
    await open_account(id="acme")
    first = await platform.post(ADJUST, json=GIVE, headers=key("k1"))
    # The order of the keys and the spaces between them do not make another body.
    again = await platform.post(ADJUST, content=b'{ "description":"Goodwill", "amount_cents":500}', headers=key("k1"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await balance(platform) == 1_500


async def test_without_a_key_each_request_counts(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme")
    for _ in range(2):
        await platform.post(ADJUST, json=GIVE)
    assert await balance(platform) == 2_000


async def test_another_body_under_the_same_key_is_refused(
    platform: httpx.AsyncClient, open_account: OpenAccount
) -> None:
    """«another body → 409 `idempotency_key_reused`»."""
    await open_account(id="acme")
    await platform.post(ADJUST, json=GIVE, headers=key("k1"))
    other = await platform.post(ADJUST, json={**GIVE, "amount_cents": 501}, headers=key("k1"))
    assert error_of(other) == (409, "idempotency_key_reused")
    assert await balance(platform) == 1_500


async def test_keys_belong_to_an_account_and_a_route(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«Per account and route, 24 h.»"""
    await open_account(id="acme")
    await open_account(id="other")
    await platform.post(ADJUST, json=GIVE, headers=key("k1"))
    theirs = await platform.post("/v1/accounts/other/adjustments", json=GIVE, headers=key("k1"))
    opened = await platform.post("/v1/accounts", json={"name": "Third"}, headers=key("k1"))
    assert (theirs.status_code, opened.status_code) == (201, 201)
    assert "Idempotency-Replayed" not in {*theirs.headers, *opened.headers}


async def test_fm05_fifty_at_once_move_money_once(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«still running → 409 `request_in_progress`»; everybody else gets the one answer."""
    await open_account(id="acme")
    answers = await asyncio.gather(*(platform.post(ADJUST, json=GIVE, headers=key("k1")) for _ in range(50)))
    bodies = [answer.json() for answer in answers]
    moved = [body for answer, body in zip(answers, bodies, strict=True) if answer.status_code == 201]
    waiting = [error_of(answer) for answer in answers if answer.status_code != 201]
    assert len({body["id"] for body in moved}) == 1
    # A connection that takes too long on a busy machine is told as 503: nothing is done, as with 409.
    assert set(waiting) <= {(409, "request_in_progress"), (503, "billing_unavailable")}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers if answer.status_code == 201) == 1
    assert await balance(platform) == 1_500


async def test_a_request_that_is_still_running_is_told(
    platform: httpx.AsyncClient, open_account: OpenAccount, database_url: str
) -> None:
    """«still running → 409 `request_in_progress`»: the first waits for a lock that the test holds."""
    await open_account(id="acme")
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("SELECT FROM ledger.accounts WHERE account_id = 'acme' FOR UPDATE")
        running = asyncio.create_task(platform.post(ADJUST, json=GIVE, headers=key("k1")))
        await until(lambda: blocker.fetchval(KEY_IS_CLAIMED, "acme POST /v1/accounts/{account_id}/adjustments k1"))
        second = await platform.post(ADJUST, json=GIVE, headers=key("k1"))
        assert error_of(second) == (409, "request_in_progress")
    await blocker.close()
    assert (await running).status_code == 201
    assert (await platform.post(ADJUST, json=GIVE, headers=key("k1"))).json() == (await running).json()


async def test_after_a_day_the_key_is_free_but_what_moved_stays_unique(
    platform: httpx.AsyncClient, open_account: OpenAccount, ringfence: Hosted
) -> None:
    """«Per account and route, 24 h.» «What moved stays unique for ever.»"""
    await open_account(id="acme")
    await platform.post(ADJUST, json=GIVE, headers=key("k1"))
    seconds = int(timedelta(hours=25).total_seconds())
    await platform.post("/v1/test/clock", json={"advance_seconds": seconds})
    async with ringfence.host.open_pool("ledger") as pool:
        context = LedgerContext(ringfence.host, pool, PriceBooks(pool), LedgerSettings())
        await forget_what_is_old(context)
    again = await platform.post(ADJUST, json=GIVE, headers=key("k1"))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await balance(platform) == 1_500
    other = await platform.post(ADJUST, json={**GIVE, "amount_cents": 7}, headers=key("k1"))
    assert other.status_code == 201
    assert await balance(platform) == 1_507


async def test_an_account_is_opened_once_and_its_key_is_told_again(
    platform: httpx.AsyncClient, open_account: OpenAccount, ringfence: Hosted
) -> None:
    """The first answer again, with the same key, though the key is stored as a hash only."""
    first = await platform.post("/v1/accounts", json={"name": "Acme"}, headers=key("open-1"))
    again = await platform.post("/v1/accounts", json={"name": "Acme"}, headers=key("open-1"))
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await platform.get("/v1/accounts")).json()["total"] == 1
    async with ringfence.host.open_pool("audit") as pool:
        stored = await pool.fetch("SELECT t::text AS row FROM ledger.idempotency_keys AS t")
    assert stored
    assert all(first.json()["api_key"] not in row["row"] for row in stored)


async def test_a_refusal_is_given_again(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    """«Same key and body → the first answer again»."""
    await open_account(id="acme")
    for _ in range(2):
        refused = await platform.post("/v1/accounts", json={"id": "acme", "name": "x"}, headers=key("k1"))
        assert error_of(refused) == (409, "account_exists")
    assert refused.headers["Idempotency-Replayed"] == "true"


async def test_a_key_must_be_one(platform: httpx.AsyncClient, open_account: OpenAccount) -> None:
    await open_account(id="acme")
    for text in ("", "a" * 256, "with space", "tab\tbed"):
        refused = await platform.post(ADJUST, json=GIVE, headers=key(text))
        assert paths_of(refused) == ["Idempotency-Key"]
    assert await balance(platform) == 1_000


async def test_a_repeated_refund_is_one(
    platform: httpx.AsyncClient, open_account: OpenAccount, tell_usage: TellUsage
) -> None:
    await open_account(id="acme")
    await tell_usage("acme", sms_sent("acme", "m1", 10))
    entry = (await platform.get("/v1/billing/transactions", headers={"Ringfence-Account": "acme"})).json()[0]
    body = {"amount_cents": 3, "reason": "lost", "to": "wallet"}
    for _ in range(3):
        answer = await platform.post(f"/v1/transactions/{entry['id']}/refund", json=body, headers=key("r1"))
        assert answer.status_code == 201
    assert await balance(platform) == 993
