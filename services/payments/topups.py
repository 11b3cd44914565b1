"""A top-up by hand, told apart from its retries (contract §0 Idempotency, §5; payments.md §4.3).

Decisions where the contract is silent:
- A second request without a key, for the same amount and card, while the first is unanswered, is the same
  top-up: it waits and gets the first one's answer. Once that answer was handed out, the next is another top-up.
- A retry of a payment that waits for the customer is answered 201 with its present status.
- Refusals under a key: see keys.py.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.payments import brake
from services.payments.cards import (
    card_declined,
    ensure_customer,
    payment_method_not_found,
    provider_unavailable,
    usable_card,
)
from services.payments.charging import abandon, begin, drive, is_leased, refresh
from services.payments.context import Context
from services.payments.domain.attempts import (
    COUNTS_TOWARDS_CAP,
    UNSENT_OR_UNCLEAR,
    Kind,
    State,
    keeps_same_payment,
)
from services.payments.domain.declines import DeclineClass
from services.payments.keys import KEY_LIFE, in_progress, key_reused, under_key
from services.payments.provider import ProviderUnavailable
from services.payments.store import SQL, Attempt, find_attempt, lock_profile
from shared.crash_points import reach
from shared.http_errors import ApiError
from shared.money import usd_text
from shared.postgres.pool import Connection, transaction

ADOPT_UNCLEAR = timedelta(hours=24)
ADOPT_SUCCEEDED = timedelta(minutes=15)
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class TopUp:
    """One request. `key` None: told apart by account, amount and card only."""

    account_id: str
    route: str
    amount_cents: int
    asked_card: str | None
    key: str | None

    @property
    def request_hash(self) -> bytes:
        asked = orjson.dumps([str(self.amount_cents), self.asked_card])  # an amount may be of any length
        return hashlib.blake2b(asked, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Answer:
    """201 with the payment; refusals are raised."""

    body: dict[str, Any]
    is_replay: bool


async def top_up(context: Context, request: TopUp, *, is_gone: Callable[[], Awaitable[bool]]) -> Answer:
    """Charge the card and credit the balance. Raises the refusals of contract §5.

    The charge goes on when the caller is cut off; `is_gone` tells whether it was: then nobody has the answer,
    and a retry without a key gets it.
    """
    await _of_key(context.pool, context, request)
    asked = (request.account_id, request.route, request.key, request.request_hash)
    async with under_key(context, *asked):
        _require_amount(context, request.amount_cents)
        return await _answered(context, request, is_gone)


async def _answered(context: Context, request: TopUp, is_gone: Callable[[], Awaitable[bool]]) -> Answer:
    charging = context.spawn_result(_charge(context, request), f"top-up {request.account_id}")
    try:
        async with asyncio.timeout(context.settings.topup_wait_seconds):
            attempt, is_replay = await asyncio.shield(charging)
    except (TimeoutError, ProviderUnavailable):
        raise provider_unavailable() from None
    reach("charge_answering")
    answer = _answer(attempt, is_replay)
    if not await is_gone():
        await context.pool.execute(SQL.set_answered, attempt.attempt_id)
    return answer


def _require_amount(context: Context, amount_cents: int) -> None:
    least, most = context.settings.topup_minimum_cents, context.settings.topup_maximum_cents
    if not least <= amount_cents <= most:
        message = f"A top-up is at least ${usd_text(least)} and at most ${usd_text(most)}."
        raise ApiError(400, "invalid_amount", message, minimum_cents=least, maximum_cents=most)


async def _charge(context: Context, request: TopUp) -> tuple[Attempt, bool]:
    """The attempt brought as far as it goes, and whether its answer had been given before."""
    known = await _of_key(context.pool, context, request)
    if known is not None:
        kept = await _bring_forward(context, known)
        if kept is not None:
            return kept, known.is_answered
    customer_id = await ensure_customer(context, request.account_id)
    card_id = await _card(context, request, customer_id)
    attempt = await _begin(context, request, customer_id, card_id)
    if attempt.state in UNSENT_OR_UNCLEAR:
        attempt = await drive(context, attempt.attempt_id)
    return await _wait_for(context, attempt), False


async def _of_key(connection: Connection | asyncpg.Pool, context: Context, request: TopUp) -> Attempt | None:
    """The newest attempt of this key and body. Raises 409 where the key stands for another body."""
    if request.key is None:
        return None
    row = await connection.fetchrow(SQL.attempts_by_key, request.account_id, request.route, request.key)
    if row is None or row["request_hash"] == request.request_hash:
        return None if row is None else Attempt.of(row)
    if row["created_at"] > context.now() - KEY_LIFE:
        raise key_reused()
    return None


async def _bring_forward(context: Context, attempt: Attempt) -> Attempt | None:
    """Where a known attempt stands now; None when a new payment is due. Raises 409 and `ProviderUnavailable`."""
    if attempt.state in UNSENT_OR_UNCLEAR:
        return await _resume(context, attempt)
    if keeps_same_payment(attempt.state, attempt.failure_class, asked_action=attempt.asked_action):
        return await refresh(context, attempt)
    if attempt.state is State.FAILED:
        # The declined payment must not be confirmed beside the new one; should it have succeeded, it is the answer.
        attempt = await abandon(context, attempt)
        return attempt if attempt.state is State.SUCCEEDED else None
    return attempt if attempt.state in (State.SUCCEEDED, State.ERROR) else None


async def _resume(context: Context, attempt: Attempt) -> Attempt:
    """After a 5xx the same attempt goes on; one that is on the wire right now is in progress."""
    if is_leased(attempt.lease_until, context.now()):
        raise in_progress()
    attempt = await drive(context, attempt.attempt_id)
    if attempt.state is State.SUBMITTING:
        raise in_progress()
    return attempt


async def _card(context: Context, request: TopUp, customer_id: str) -> str:
    if request.asked_card is not None:
        return (await usable_card(context, request.account_id, customer_id, request.asked_card)).card_id
    profile = await context.pool.fetchrow(SQL.find_profile, request.account_id)
    if profile is None or profile["default_card_id"] is None:
        raise payment_method_required()
    card_id: str = profile["default_card_id"]
    return card_id


def payment_method_required() -> ApiError:
    return ApiError(422, "payment_method_required", "Add a payment method first, or name one.")


async def _begin(context: Context, request: TopUp, customer_id: str, card_id: str) -> Attempt:
    """A new attempt, or without a key the unanswered one that this request is a retry of."""
    now = context.now()
    begun = None
    async with transaction(context.pool) as connection:
        profile = await lock_profile(connection, request.account_id)
        if request.key is None:
            adopted = await _adopt(connection, request, now)
            if adopted is not None:
                return adopted
        else:
            # Somebody with the same key may have come first while we asked for the card.
            twin = await _of_key(connection, context, request)
            if twin is not None and twin.state in COUNTS_TOWARDS_CAP:
                raise in_progress()
        if await brake.books_agree(connection, profile, now):
            await _require_patience(context, connection, request.account_id)
            begun = await begin(
                connection,
                provider=context.provider.name,
                account_id=request.account_id,
                kind=Kind.TOPUP,
                customer_id=customer_id,
                card_id=card_id,
                amount_cents=request.amount_cents,
                now=now,
                route=request.route,
                client_key=request.key,
                request_hash=request.request_hash,
                asked_card=request.asked_card,
            )
    if begun is None:
        message = "This account's books are being checked; no card is charged meanwhile."
        raise ApiError(503, "billing_unavailable", message, headers={"Retry-After": "60"})
    return begun


async def _adopt(connection: Connection, request: TopUp, now: datetime) -> Attempt | None:
    row = await connection.fetchrow(
        SQL.adoptable_attempt,
        request.account_id,
        request.amount_cents,
        request.asked_card,
        now - ADOPT_UNCLEAR,
        now - ADOPT_SUCCEEDED,
    )
    return None if row is None else Attempt.of(row)


async def _require_patience(context: Context, connection: Connection, account_id: str) -> None:
    """Somebody who tries card after card is testing stolen ones."""
    since = context.now() - timedelta(hours=1)
    declined = await connection.fetchval(SQL.declined_topups_since, account_id, since)
    if declined >= context.settings.declined_topups_per_hour_max:
        message = "Too many declined payments; try again later."
        raise ApiError(429, "rate_limited", message, headers={"Retry-After": "3600"})


async def _wait_for(context: Context, attempt: Attempt) -> Attempt:
    """Another request is driving it: wait for its end instead of sending beside it."""
    for _ in range(int(context.settings.adopted_wait_seconds / POLL_SECONDS)):
        if attempt.state not in (State.CREATED, State.SUBMITTING):
            return attempt
        await asyncio.sleep(POLL_SECONDS)
        attempt = await find_attempt(context.pool, attempt.attempt_id)
    return attempt


def _answer(attempt: Attempt, is_replay: bool) -> Answer:
    """From where the attempt stands to what the caller is told (payments.md §5)."""
    if attempt.state in UNSENT_OR_UNCLEAR or (attempt.state is State.CANCELED and attempt.payment_id is None):
        raise provider_unavailable()
    if attempt.state is State.ERROR:
        raise _refusal(attempt)
    is_unpaid = attempt.provider_status in (None, "requires_payment_method")
    if attempt.state is State.FAILED and is_unpaid and not attempt.asked_action:
        raise _decline(attempt)
    body = {
        "payment_intent_id": attempt.payment_id,
        "status": attempt.provider_status,
        "client_secret": attempt.client_secret,
    }
    return Answer(body, is_replay)


def _decline(attempt: Attempt) -> ApiError:
    code = attempt.failure_code or "card_declined"
    if attempt.failure_class is DeclineClass.AUTHENTICATION:
        return ApiError(
            402,
            "authentication_required",
            "The card's bank wants the customer to confirm this payment.",
            next_action="confirm_payment",
            client_secret=attempt.client_secret,
            payment_intent_id=attempt.payment_id,
        )
    return card_declined(code, attempt.decline_code, payment_intent_id=attempt.payment_id)


def _refusal(attempt: Attempt) -> ApiError:
    if attempt.failure_code == "invalid_amount":
        return ApiError(400, "invalid_amount", "The payment provider does not take this amount.")
    if attempt.failure_code == "payment_method_not_found":
        return payment_method_not_found()
    return provider_unavailable()
