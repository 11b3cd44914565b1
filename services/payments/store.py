"""Rows of payments as values, and the few reads and writes that several modules share."""

from dataclasses import dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any, Self

import asyncpg

from services.payments.domain.attempts import Kind, State
from services.payments.domain.declines import DeclineClass
from services.payments.domain.recharging import Policy, Standing
from services.payments.provider import Order
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

SQL = Queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of `attempts`."""

    attempt_id: str
    account_id: str
    kind: Kind
    provider: str
    customer_id: str
    card_id: str
    amount_cents: int
    cap_month: date
    route: str | None
    client_key: str | None
    request_hash: bytes | None
    asked_card: str | None
    state: State
    payment_id: str | None
    provider_status: str | None
    client_secret: str | None
    failure_class: DeclineClass | None
    failure_code: str | None
    decline_code: str | None
    failure_message: str | None
    sends: int
    first_sent_at: datetime | None
    lease_until: datetime | None
    next_check_at: datetime | None
    is_answered: bool
    asked_action: bool
    transfer_id: int | None
    created_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Columns that the next release has added are none of ours: replicas of both run while it is rolled out."""
        values: dict[str, Any] = {field.name: row[field.name] for field in fields(cls)}
        values["kind"] = Kind(row["kind"])
        values["state"] = State(row["state"])
        values["failure_class"] = row["failure_class"] and DeclineClass(row["failure_class"])
        return cls(**values)

    @property
    def order(self) -> Order:
        """What the provider is asked for; the same for every send."""
        return Order(
            attempt_id=self.attempt_id,
            account_id=self.account_id,
            kind=self.kind,
            customer_id=self.customer_id,
            card_id=self.card_id,
            amount_cents=self.amount_cents,
            is_off_session=self.kind.is_automatic,
        )


async def find_attempt(connection: Connection | asyncpg.Pool, attempt_id: str) -> Attempt:
    row = await connection.fetchrow(SQL.find_attempt, attempt_id)
    assert row is not None, attempt_id
    return Attempt.of(row)


async def lock_profile(connection: Connection, account_id: str) -> asyncpg.Record:
    """The account's row of payments, made if need be, locked: whoever charges or credits holds it."""
    row = await connection.fetchrow(SQL.lock_profile, account_id)
    if row is None:
        await connection.execute(SQL.ensure_profile, account_id)
        row = await connection.fetchrow(SQL.lock_profile, account_id)
    assert row is not None
    return row


async def payable_account(connection: Connection | asyncpg.Pool, account_id: str) -> asyncpg.Record | None:
    """The account as the books have it; None when there is none: a missing balance is never zero."""
    return await connection.fetchrow(SQL.payable_account, account_id)


def standing_of(account: asyncpg.Record, profile: asyncpg.Record) -> Standing:
    return Standing(
        balance_micros=account["balance_micros"],
        credit_limit_micros=account["credit_limit_micros"],
        auto_charge=account["auto_charge"],
        settle_negative=account["settle_negative"],
        dispute_debt_micros=min(profile["dispute_debt_micros"], max(0, -account["balance_micros"])),
    )


def policy_of(profile: asyncpg.Record, *, month_spend_cents: int, is_in_flight: bool) -> Policy:
    return Policy(
        has_card=profile["default_card_id"] is not None,
        reload_enabled=profile["reload_enabled"],
        minimum_cents=profile["reload_minimum_cents"] or 0,
        amount_cents=profile["reload_amount_cents"] or 0,
        monthly_limit_cents=profile["reload_monthly_limit_cents"],
        month_spend_cents=month_spend_cents,
        stopped=profile["stopped"],
        next_try_at=profile["next_try_at"],
        declines=profile["declines"],
        is_in_flight=is_in_flight,
        settles_until_charged=profile["settles_until_charged"],
    )


async def append_event(
    connection: Connection, account_id: str, event_type: str, data: dict[str, Any], now: datetime
) -> None:
    await connection.execute(SQL.append_event, account_id, event_type, data, now)
