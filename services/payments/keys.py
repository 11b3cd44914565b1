"""What an Idempotency-Key stands for (contract §0, Idempotency): one body, from the first time it is seen.

What moved money, or may have, is found by its own rows (attempts, refunds); here is the rest, the refusals.

Decision where a rule would harm: a refusal (400, 404, 409, 422) is decided again when the same request comes again.
As long as it comes out the same it is the first answer, marked `Idempotency-Replayed: true`; once what was missing
is there (a card was added), the request goes through. 402, 429 and 5xx are never marked. Another body under the key
is 409 `idempotency_key_reused` for 24 hours in every case.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from services.payments.context import Context
from services.payments.store import SQL
from shared.http_errors import ApiError

KEY_LIFE = timedelta(hours=24)
REPLAYED = {"Idempotency-Replayed": "true"}
_DECIDED = frozenset({400, 404, 409, 422})
_ABOUT_THE_KEY = frozenset({"idempotency_key_reused", "request_in_progress"})


def key_reused() -> ApiError:
    return ApiError(409, "idempotency_key_reused", "This Idempotency-Key was used for another request.")


def in_progress() -> ApiError:
    return ApiError(409, "request_in_progress", "A request with this Idempotency-Key is still running.")


@asynccontextmanager
async def under_key(
    context: Context, account_id: str, route: str, key: str | None, request_hash: bytes
) -> AsyncIterator[None]:
    """Decide a request inside. Raises 409 where its key stands for another body; marks a refusal given again."""
    if key is None:
        yield
        return
    now = context.now()
    identity = (account_id, route, key)
    known = await context.pool.fetchrow(SQL.claim_key, *identity, request_hash, now, now - KEY_LIFE)
    assert known is not None
    if known["request_hash"] != request_hash:
        raise key_reused()
    try:
        yield
    except ApiError as refusal:
        if refusal.status in _DECIDED and refusal.code not in _ABOUT_THE_KEY:
            if known["refusal"] == refusal.code:
                refusal.headers.update(REPLAYED)
            else:
                await context.pool.execute(SQL.keep_refusal, *identity, refusal.code)
        raise
