"""Accounts: opened, changed, suspended, read (contract §4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services.ledger.postings import post_signup_credit
from services.ledger.settings import LedgerSettings
from services.ledger.store import note_integer_ids
from shared.http_errors import ApiError, invalid_request, not_found
from shared.ids import new_id
from shared.money import MICROS_PER_CENT
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

_SQL = Queries.load(Path(__file__).parent / "queries" / "accounts.sql")


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new account is to be; None: as the settings say, or nothing."""

    account_id: str | None
    has_integer_id: bool
    name: str
    email: str | None
    parent_id: str | None
    is_agency: bool
    timezone: str
    credit_limit_cents: int
    inbound_policy: str
    auto_charge: bool | None
    settle_negative: bool | None
    low_balance_cents: int | None
    monthly_spend_limit_cents: int | None
    max_concurrent_calls: int | None
    signup_credit_cents: int | None


async def open_account(connection: Connection, opening: Opening, *, settings: LedgerSettings, now: datetime) -> str:
    """Open the account, say so, post its sign-up credit; returns its id. Raises 409 `account_exists`, 422 (parent)."""
    account_id = opening.account_id or new_id("acct", now)
    if opening.parent_id is not None:
        await _require_agency(connection, opening)
    if not await _insert(connection, account_id, opening, settings, now):
        raise ApiError(409, "account_exists", "There is already an account with this id.")
    if opening.has_integer_id:
        await note_integer_ids(connection, [(account_id, account_id)])
    await connection.execute(_SQL.say_opened, account_id, now)
    credit_cents = _signup_credit_cents(opening, settings)
    if credit_cents:
        await post_signup_credit(connection, account_id, credit_cents, now=now)
    return account_id


async def _require_agency(connection: Connection, opening: Opening) -> None:
    if opening.is_agency:
        raise invalid_request([("parent_id", "an agency has no parent")])
    if not await connection.fetchval(_SQL.is_agency, opening.parent_id):
        raise invalid_request([("parent_id", "is not an agency's account")])


async def _insert(
    connection: Connection, account_id: str, opening: Opening, settings: LedgerSettings, now: datetime
) -> bool:
    low_cents = settings.low_balance_cents if opening.low_balance_cents is None else opening.low_balance_cents
    is_new: bool | None = await connection.fetchval(
        _SQL.open_account,
        account_id,
        opening.parent_id,
        opening.is_agency,
        opening.name,
        opening.email,
        opening.timezone,
        opening.credit_limit_cents * MICROS_PER_CENT,
        opening.inbound_policy,
        settings.auto_charge if opening.auto_charge is None else opening.auto_charge,
        settings.auto_charge if opening.settle_negative is None else opening.settle_negative,
        low_cents * MICROS_PER_CENT,
        _micros(opening.monthly_spend_limit_cents),
        opening.max_concurrent_calls,
        now,
    )
    return bool(is_new)


def _signup_credit_cents(opening: Opening, settings: LedgerSettings) -> int:
    """The setting's, but nothing for clients of an agency; what the request names beats both."""
    if opening.signup_credit_cents is not None:
        return opening.signup_credit_cents
    return settings.signup_credit_cents if opening.parent_id is None else 0


async def change_account(
    connection: Connection, account_id: str, changes: Mapping[str, Any], *, now: datetime
) -> dict[str, Any]:
    """Set the fields named in `changes` (as `account_json` names them), leave the others. Says the new state."""
    await _lock(connection, account_id)
    terms = {**await account_json(connection, account_id), **changes}
    await connection.execute(
        _SQL.set_terms,
        account_id,
        terms["name"],
        terms["email"],
        terms["timezone"],
        terms["credit_limit_cents"] * MICROS_PER_CENT,
        terms["inbound_policy"],
        terms["auto_charge"],
        terms["settle_negative"],
        terms["low_balance_cents"] * MICROS_PER_CENT,
        _micros(terms["monthly_spend_limit_cents"]),
        terms["max_concurrent_calls"],
        terms["disabled"],
    )
    await connection.execute(_SQL.settle_latches, account_id, now)
    await connection.execute(_SQL.settle_campaigns, account_id, now)
    await connection.execute(_SQL.leave_news, account_id, now)
    return await account_json(connection, account_id)


async def suspend_by_hand(connection: Connection, account_id: str, reason: str, *, now: datetime) -> dict[str, Any]:
    """Suspend until somebody reinstates: no payment lifts it."""
    await _lock(connection, account_id)
    await connection.execute(_SQL.set_suspension, account_id, "manual", reason, now)
    return await account_json(connection, account_id)


async def reinstate_by_hand(connection: Connection, account_id: str, *, now: datetime) -> dict[str, Any]:
    """Lift every suspension, also one for want of money; where money is still owed, that one comes back."""
    await _lock(connection, account_id)
    for by in ("manual", "billing"):
        await connection.execute(_SQL.set_suspension, account_id, by, None, now)
    return await account_json(connection, account_id)


async def account_json(connection: Connection, account_id: str) -> dict[str, Any]:
    """The account as the platform reads it. Raises 404."""
    account: dict[str, Any] | None = await connection.fetchval(_SQL.account, account_id)
    if account is None:
        raise not_found("account")
    return account


async def list_accounts(connection: Connection, *, parent_id: str | None, limit: int, offset: int) -> dict[str, Any]:
    """A page of accounts, newest first; of one agency's clients with `parent_id`."""
    rows = await connection.fetch(_SQL.accounts, parent_id, limit, offset)
    total = await connection.fetchval(_SQL.count_accounts, parent_id)
    return {"data": [row["account"] for row in rows], "total": total, "limit": limit, "offset": offset}


async def _lock(connection: Connection, account_id: str) -> None:
    if not await connection.fetchval(_SQL.lock_account, account_id):
        raise not_found("account")


def _micros(cents: int | None) -> int | None:
    return None if cents is None else cents * MICROS_PER_CENT
