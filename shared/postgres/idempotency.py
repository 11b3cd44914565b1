"""Idempotency-Key: the same request twice is one piece of work and one answer (contract §0, Idempotency).

The key is claimed, the work done and the answer kept in one transaction, so a crash leaves all or nothing. Each
service that uses this owns a table `idempotency_keys` in its schema.

Decisions where the contract is silent:
- An answer below 400 has moved money and is kept for ever ("what moved stays unique for ever"): the same key and
  body never move it again. After 24 hours the key may be used for another body.
- A refusal of the work other than 402 is an answer too and is given again; what is refused before the work
  begins (keys, validation) is not.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from shared.http_errors import ApiError, invalid_request
from shared.postgres.pool import Connection, transaction
from shared.postgres.queries import Queries

KEPT = timedelta(hours=24)
NEVER_REPLAYED = frozenset({402, 429})
REPLAYED_HEADER = "Idempotency-Replayed"

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SQL = Queries.load(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request. `key` None: it may be done again and again. Whatever tells it from another is in the hash."""

    account_id: str
    route: str
    key: str | None
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the request is answered with; `body` is a JSON object."""

    status: int
    body: dict[str, Any]
    is_replay: bool = False

    @property
    def headers(self) -> dict[str, str]:
        return {REPLAYED_HEADER: "true"} if self.is_replay else {}


Work = Callable[[Connection], Awaitable[Answer]]


def attempt(*, account_id: str, route: str, key: str | None, request: object) -> Attempt:
    """Read the header; raises 422 for what is no key. `request` is the JSON that makes the request what it is."""
    if key is not None and not _KEY.fullmatch(key):
        raise invalid_request([("Idempotency-Key", "must be 1 to 255 visible ASCII characters")])
    text = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
    return Attempt(account_id, route, key, hashlib.blake2b(text, digest_size=16).digest())


async def once(pool: asyncpg.Pool, request: Attempt, now: datetime, work: Work) -> Answer:
    """Do the work in one transaction, or give the answer it had. Raises 409 for a key in use or used otherwise."""
    async with transaction(pool) as connection:
        if request.key is None:
            return await work(connection)
        known = await _claim(connection, request, now)
        if known is None:
            known = await _work_and_keep(connection, request, now, work)
    if known.status >= 400:
        error = dict(known.body)
        headers = known.headers
        raise ApiError(known.status, error.pop("code"), error.pop("message"), headers=headers, **error)
    return known


async def _claim(connection: Connection, request: Attempt, now: datetime) -> Answer | None:
    identity = (request.account_id, request.route, request.key)
    # Lock first, read second: whoever had the key before has committed by then.
    if not await connection.fetchval(_SQL.claim, *identity):
        raise ApiError(409, "request_in_progress", "A request with this Idempotency-Key is still running.")
    row = await connection.fetchrow(_SQL.find, *identity)
    if row is None:
        return None
    is_fresh = row["created_at"] > now - KEPT
    if row["request_hash"] != request.request_hash:
        if is_fresh:
            raise ApiError(409, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
        return None
    if is_fresh or row["status"] < 400:
        return Answer(row["status"], row["answer"], is_replay=True)
    return None


async def _work_and_keep(connection: Connection, request: Attempt, now: datetime, work: Work) -> Answer:
    try:
        async with connection.transaction():
            answer = await work(connection)
    except ApiError as refusal:
        if refusal.status in NEVER_REPLAYED or refusal.status >= 500:
            raise
        answer = Answer(refusal.status, {"code": refusal.code, "message": refusal.message, **refusal.extra})
    await connection.execute(
        _SQL.keep,
        request.account_id,
        request.route,
        request.key,
        request.request_hash,
        answer.status,
        answer.body,
        now,
    )
    return replace(answer, is_replay=False)
