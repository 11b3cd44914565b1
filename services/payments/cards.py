"""Cards: saved, made the default, removed. A new default card pardons what the old one could not pay.

A change of the default resets back-off and stops, lifts a billing suspension at once and then settles what is
owed (contract §5, Suspension); the same card again changes nothing.
"""

from datetime import datetime
from typing import Any

import asyncpg

from services.payments.context import Context
from services.payments.domain.declines import shown_decline_code
from services.payments.domain.recharging import owed_cents
from services.payments.provider import Card, CardDeclined, NotAtProvider, ProviderUnavailable
from services.payments.recharging import consider
from services.payments.store import SQL, append_event, lock_profile, payable_account, standing_of
from shared.http_errors import ApiError
from shared.postgres.pool import Connection, transaction

TERMS = (
    "I allow charges to this card without my being present: the auto-reload I enable, with its amount, minimum and "
    "monthly limit, and, where my account is billed afterwards, what my usage comes to. I can remove the card at "
    "any time."
)
"""What the card form shows; kept with each saved card as the customer's agreement."""


def payment_method_not_found() -> ApiError:
    return ApiError(404, "payment_method_not_found", "There is no such payment method.")


def card_declined(code: str, decline_code: str | None, **more: Any) -> ApiError:
    reason = shown_decline_code(code, decline_code)
    return ApiError(402, "card_declined", "The card was declined.", decline_code=reason, **more)


def provider_unavailable() -> ApiError:
    return ApiError(
        502,
        "provider_unavailable",
        "The payment provider gave no answer. It is safe to try again: nothing is charged twice.",
        headers={"Retry-After": "5"},
    )


async def ensure_customer(context: Context, account_id: str) -> str:
    """The account's customer at the provider. Raises `ProviderUnavailable`."""
    known: str | None = await context.pool.fetchval(SQL.find_customer, account_id)
    if known is not None:
        return known
    made = await context.provider.create_customer(account_id)
    kept: str = await context.pool.fetchval(SQL.keep_customer, account_id, context.provider.name, made, context.now())
    return kept


async def usable_card(context: Context, account_id: str, customer_id: str, asked: str) -> Card:
    """A card the account may pay with: its own, or nobody's. Raises 404 and `ProviderUnavailable`."""
    row = await context.pool.fetchrow(SQL.find_card, asked)
    if row is not None:
        if row["account_id"] != account_id:
            raise payment_method_not_found()
        return Card(asked, customer_id, row["brand"], row["last4"], row["exp_month"], row["exp_year"])
    if not _looks_like_an_id(asked):
        raise payment_method_not_found()
    try:
        card = await context.provider.find_card(asked)
    except NotAtProvider:
        raise payment_method_not_found() from None
    if card.customer_id not in (None, customer_id):
        raise payment_method_not_found()
    return card


def _looks_like_an_id(text: str) -> bool:
    return 0 < len(text) <= 255 and text.isascii() and all(letter.isalnum() or letter == "_" for letter in text)


async def choose_default(context: Context, account_id: str, asked: str) -> None:
    """`POST /v1/billing/default-payment-method`. Raises 402, 404 and `ProviderUnavailable`."""
    customer_id = await ensure_customer(context, account_id)
    card = await usable_card(context, account_id, customer_id, asked)
    if card.customer_id is None:
        try:
            card = await context.provider.attach_card(card.card_id, customer_id)
        except NotAtProvider:
            raise payment_method_not_found() from None
        except CardDeclined as declined:
            raise card_declined(declined.failure.code, declined.failure.decline_code) from None
    await save_card(context, account_id, card, way="api", make_default=True)


async def save_card(context: Context, account_id: str, card: Card, *, way: str, make_default: bool) -> None:
    """Keep a card that is attached to the account's customer; `make_default` False: only where there is none."""
    now = context.now()
    async with transaction(context.pool) as connection:
        profile = await lock_profile(connection, account_id)
        becomes_default = profile["default_card_id"] != card.card_id and (
            make_default or profile["default_card_id"] is None
        )
        await _keep(connection, account_id, card, way, now, becomes_default=becomes_default)
        if becomes_default:
            await _set_default(connection, profile, card, now)
        elif make_default:
            # The same card chosen again, after a dispute: the customer agrees to charges once more.
            await connection.execute(SQL.resume_after_dispute, account_id)
    context.tell(account_id)
    if becomes_default:
        context.spawn(_prefer(context, account_id, card.card_id), f"prefer card of {account_id}")
    if becomes_default or profile["stopped"] == "dispute":
        await consider(context, account_id)


async def _keep(
    connection: Connection, account_id: str, card: Card, way: str, now: datetime, *, becomes_default: bool
) -> None:
    is_new = await connection.fetchval(
        SQL.keep_card, card.card_id, account_id, card.brand, card.last4, card.exp_month, card.exp_year, now
    )
    if is_new:
        await connection.execute(SQL.keep_consent, account_id, card.card_id, now, way, TERMS)
        data = {
            "payment_method_id": card.card_id,
            "brand": card.brand,
            "last4": card.last4,
            "is_default": becomes_default,
        }
        await append_event(connection, account_id, "payment_method_attached", data, now)


async def _set_default(connection: Connection, profile: asyncpg.Record, card: Card, now: datetime) -> None:
    account_id = profile["account_id"]
    account = await payable_account(connection, account_id)
    assert account is not None, account_id
    standing = standing_of(account, profile)
    is_overdrawn = standing.is_overdrawn
    await connection.execute(
        SQL.set_default_card,
        account_id,
        card.card_id,
        now,
        standing.balance_micros if is_overdrawn else None,
        is_overdrawn and owed_cents(standing) > 0,
    )
    await connection.execute(SQL.reset_charging, account_id)
    if account["billing_suspension"] is not None:
        await connection.execute(SQL.set_suspension, account_id, None, now)


async def _prefer(context: Context, account_id: str, card_id: str | None) -> None:
    customer_id = await context.pool.fetchval(SQL.find_customer, account_id)
    try:
        await context.provider.prefer_card(customer_id, card_id)
    except (ProviderUnavailable, NotAtProvider):
        return  # cosmetic: our charges always name the card


async def remove_card(context: Context, account_id: str, card_id: str) -> None:
    """`DELETE /v1/billing/payment-methods/{id}`. Raises 404 and `ProviderUnavailable`."""
    row = await context.pool.fetchrow(SQL.find_card, card_id)
    if row is None or row["account_id"] != account_id:
        raise payment_method_not_found()
    await context.provider.detach_card(card_id)
    await forget_card(context, account_id, card_id)


async def forget_card(context: Context, account_id: str, card_id: str) -> None:
    """The card is gone, by us or at the provider. Without a default card auto-reload is off."""
    now = context.now()
    async with transaction(context.pool) as connection:
        profile = await lock_profile(connection, account_id)
        dropped = await connection.fetchrow(SQL.drop_card, card_id, account_id)
        if dropped is None:
            return
        was_default = profile["default_card_id"] == card_id
        if was_default:
            await connection.execute(SQL.clear_default_card, account_id)
        data = {
            "payment_method_id": card_id,
            "brand": dropped["brand"],
            "last4": dropped["last4"],
            "was_default": was_default,
        }
        await append_event(connection, account_id, "payment_method_removed", data, now)
    context.tell(account_id)
    await consider(context, account_id)
