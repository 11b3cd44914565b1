"""`POST /v1/transactions/{id}/refund`: to the card, through the provider, or back to the wallet (contract §4).

Decisions where the contract is silent:
- Only a payment can go back to the card, and only a debit to the wallet; else 409 `not_refundable`.
- A refund to the card whose answer was lost is answered 502; with an Idempotency-Key a retry goes on with it.
"""

import hashlib
from typing import Annotated, Any, Literal

import asyncpg
import orjson
from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from services.payments.api_edge import CENTS_MAX, PaymentsRoute, idempotency_key
from services.payments.cards import provider_unavailable
from services.payments.charging import is_leased
from services.payments.context import Context
from services.payments.keys import KEY_LIFE, REPLAYED, in_progress, key_reused, under_key
from services.payments.refunds import TooMuch, begin_refund, drive_refund, is_refundable
from services.payments.store import SQL, Attempt, lock_profile
from shared.api_edge import platform_only
from shared.contracts.fields_v1 import Strict, Text
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError, not_found
from shared.money import MICROS_PER_CENT, usd_exact, usd_text
from shared.openapi import TAKES_IDEMPOTENCY_KEY
from shared.postgres.pool import transaction

ROUTE = "POST /v1/transactions/{id}/refund"
TransactionId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class RefundRequest(Strict):
    amount_cents: Annotated[int, Field(ge=1, le=CENTS_MAX)] | None = None
    reason: Text
    to: Literal["wallet", "card"]


def build_router(context: Context) -> APIRouter:
    router = APIRouter(
        tags=["transactions"], route_class=PaymentsRoute, dependencies=[platform_only(context.host.access)]
    )

    @router.post(
        "/v1/transactions/{transaction_id}/refund",
        status_code=201,
        summary="Give a debit back to the wallet, or a payment back to the card",
        openapi_extra=TAKES_IDEMPOTENCY_KEY,
    )
    async def refund(request: Request, body: RefundRequest, transaction_id: TransactionId) -> Response:
        found = await context.pool.fetchrow(SQL.find_transaction, transaction_id)
        if found is None:
            raise not_found("transaction")
        key = idempotency_key(request, None)
        asked = orjson.dumps([transaction_id, body.amount_cents, body.reason, body.to])
        request_hash = hashlib.blake2b(asked, digest_size=16).digest()
        give_back = _to_card if body.to == "card" else _to_wallet
        async with under_key(context, found["account_id"], ROUTE, key, request_hash):
            return await give_back(context, found, body, key, request_hash)

    return router


async def _to_card(
    context: Context, found: asyncpg.Record, body: RefundRequest, key: str | None, request_hash: bytes
) -> Response:
    row = await context.pool.fetchrow(SQL.attempt_of_transfer, found["account_id"], found["id"])
    if row is None or not is_refundable(Attempt.of(row)):
        raise not_refundable("Only a payment by card can be refunded to the card.")
    refund, is_replay = await _begin(context, Attempt.of(row), body, key, request_hash)
    if refund["state"] in ("created", "submitting", "unknown"):
        refund = await drive_refund(context, refund["refund_id"])
    if refund["state"] in ("created", "submitting", "unknown"):
        raise provider_unavailable()
    if refund["state"] == "error":
        raise not_refundable(refund["failure"] or "The provider refuses this refund.")
    entry = await transaction_json(context.pool, refund["refund_transfer_id"])
    return OrjsonResponse(entry, status_code=201, headers=REPLAYED if is_replay else None)


async def _begin(
    context: Context, attempt: Attempt, body: RefundRequest, key: str | None, request_hash: bytes
) -> tuple[asyncpg.Record, bool]:
    now = context.now()
    async with transaction(context.pool) as connection:
        await lock_profile(connection, attempt.account_id)
        if key is not None:
            known = await connection.fetchrow(SQL.refund_by_key, attempt.account_id, key)
            if known is not None and known["request_hash"] == request_hash and known["state"] != "error":
                if is_leased(known["lease_until"], now):
                    raise in_progress()
                return known, known["state"] in ("refunded", "failed")
            if known is not None and known["created_at"] > now - KEY_LIFE and known["request_hash"] != request_hash:
                raise key_reused()
        begun = await begin_refund(
            connection, attempt, body.amount_cents, reason=body.reason, key=key, request_hash=request_hash, now=now
        )
        if isinstance(begun, TooMuch):
            raise _too_much(begun)
    context.tell(attempt.account_id)
    return begun, False


def _too_much(room: TooMuch) -> ApiError:
    if room.is_held:
        message = "Calls under way are covered by this money; refund it when they are over."
        return ApiError(409, "balance_held", message, refundable_usd=usd_text(room.left_cents))
    message = "All refunds of a transaction together are never more than the original."
    return ApiError(422, "refund_exceeds_original", message, refundable_usd=usd_text(room.left_cents))


async def _to_wallet(
    context: Context, found: asyncpg.Record, body: RefundRequest, key: str | None, request_hash: bytes
) -> Response:
    micros = None if body.amount_cents is None else body.amount_cents * MICROS_PER_CENT
    now = context.now()
    account_id = found["account_id"]
    async with transaction(context.pool) as connection:
        await lock_profile(connection, account_id)
        if key is not None:
            known = await connection.fetchrow(SQL.find_wallet_refund, account_id, key)
            if known is not None and known["request_hash"] == request_hash:
                entry = await transaction_json(connection, known["transfer_id"])
                return OrjsonResponse(entry, status_code=201, headers=REPLAYED)
            if known is not None and known["created_at"] > now - KEY_LIFE:
                raise key_reused()
        row = await connection.fetchrow(SQL.refund_debit, found["id"], micros, body.reason, now)
        assert row is not None
        if row["outcome"] == "exceeds_original":
            message = "All refunds of a transaction together are never more than the original."
            raise ApiError(422, "refund_exceeds_original", message, refundable_usd=usd_exact(row["left_micros"]))
        if row["outcome"] != "refunded":
            raise not_refundable("Only what was debited can be given back to the wallet.")
        if key is not None:
            await connection.execute(SQL.keep_wallet_refund, account_id, key, request_hash, row["transfer_id"], now)
        entry = await transaction_json(connection, row["transfer_id"])
    context.tell(account_id)
    return OrjsonResponse(entry, status_code=201)


def not_refundable(message: str) -> ApiError:
    return ApiError(409, "not_refundable", message)


async def transaction_json(connection: Any, transfer_id: int) -> dict[str, Any]:
    """A transaction as contract §5 shows it."""
    shown: dict[str, Any] = await connection.fetchval(SQL.transaction_json, transfer_id)
    return shown
