"""The billing account object [T] and the wallet object [C]: the same account, the same books, other words."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from services.payments.context import Context
from services.payments.domain.recharging import cap_month
from services.payments.store import SQL, payable_account
from shared.clock import rfc3339
from shared.http_errors import not_found
from shared.money import MICROS_PER_CENT, cents_floor, usd_number, usd_text

AVERAGED_DAYS = 7
UNSET_MINIMUM_CENTS = 0
UNSET_AMOUNT_CENTS = 0
DISPUTED = (
    "dispute",
    "A payment was disputed: no card is charged automatically until the dispute is won, or a card is chosen or the"
    " settings are changed.",
)
"""Failure code and words where a dispute, not a decline, has stopped automatic charges."""


@dataclass(frozen=True, slots=True)
class BillingState:
    """Everything the objects are made of, read in one go."""

    account: asyncpg.Record
    profile: asyncpg.Record | None
    month_spend_cents: int
    is_in_flight: bool
    week_spend_micros: int
    usage_month_micros: int
    last_manual: asyncpg.Record | None
    last_auto: asyncpg.Record | None
    now: datetime

    def of_profile(self, name: str, missing: Any = None) -> Any:
        """A column of the profile; an account that never touched its billing has none."""
        value = None if self.profile is None else self.profile[name]
        return missing if value is None else value


async def billing_state(context: Context, account_id: str) -> BillingState:
    """Raises 404."""
    now = context.now()
    pool = context.pool
    account = await payable_account(pool, account_id)
    if account is None:
        raise not_found("account")
    spend = await pool.fetchrow(SQL.spend, account_id, now - timedelta(days=AVERAGED_DAYS), now)
    assert spend is not None
    last = {row["is_manual"]: row for row in await pool.fetch(SQL.last_payments, account_id)}
    return BillingState(
        account=account,
        profile=await pool.fetchrow(SQL.find_profile, account_id),
        month_spend_cents=await pool.fetchval(SQL.month_spend, account_id, cap_month(now)),
        is_in_flight=await pool.fetchval(SQL.has_automatic_in_flight, account_id),
        week_spend_micros=spend["since_micros"],
        usage_month_micros=spend["month_micros"],
        last_manual=last.get(True),
        last_auto=last.get(False),
        now=now,
    )


def billing_account_json(state: BillingState) -> dict[str, Any]:
    """The account object of `GET /v1/billing` (ThunderPhone billing API; client 0.2.0 requires each field)."""
    balance = state.account["balance_micros"]
    available = balance + state.account["credit_limit_micros"] - state.account["held_micros"]
    return {
        "balance_cents": cents_floor(balance),
        "balance_usd": usd_text(cents_floor(balance)),
        "currency": "usd",
        "available_cash_cents": cents_floor(available),
        "has_payment_method": state.of_profile("default_card_id") is not None,
        **_reload_json(state),
        **_spend_json(state),
        **_payments_json(state),
        # Calls are priced the same for everybody: there is no budget of free test calls.
        "test_call_budget_cents": 0,
        "test_call_budget_remaining_cents": 0,
    }


def _reload_json(state: BillingState) -> dict[str, Any]:
    stopped = state.of_profile("stopped")
    next_try_at = state.of_profile("next_try_at")
    code, error = state.of_profile("failure_code"), state.of_profile("failure_message")
    if stopped == "dispute":
        code, error = DISPUTED
    return {
        "auto_reload_enabled": state.of_profile("reload_enabled", False),
        "auto_reload_minimum_cents": state.of_profile("reload_minimum_cents", UNSET_MINIMUM_CENTS),
        "auto_reload_amount_cents": state.of_profile("reload_amount_cents", UNSET_AMOUNT_CENTS),
        "auto_reload_monthly_limit_cents": state.of_profile("reload_monthly_limit_cents"),
        "auto_reload_status": reload_status(state),
        "auto_reload_consecutive_declines": state.of_profile("declines", 0),
        "auto_reload_failed_amount_cents": state.of_profile("failed_amount_cents"),
        "auto_reload_failed_at": _time(state.of_profile("failed_at")),
        "auto_reload_failure_code": code,
        "auto_reload_last_error": error,
        "auto_reload_month_spend_cents": state.month_spend_cents,
        "auto_reload_next_retry_at": _time(next_try_at),
        "auto_reload_paused": stopped is not None or next_try_at is not None,
        "auto_reload_paused_until": _time(next_try_at),
        "auto_reload_in_progress": state.is_in_flight,
    }


def reload_status(state: BillingState) -> str:
    """off, stopped, capped, retrying or ok."""
    if not state.of_profile("reload_enabled", False):
        return "off"
    if state.of_profile("stopped") is not None:
        return "stopped"
    if state.of_profile("capped_month") == cap_month(state.now):
        return "capped"
    return "retrying" if state.of_profile("declines", 0) > 0 else "ok"


def _spend_json(state: BillingState) -> dict[str, Any]:
    daily_micros = state.week_spend_micros // AVERAGED_DAYS
    balance = state.account["balance_micros"]
    limit = state.account["monthly_spend_limit_micros"]
    return {
        "average_daily_spend_cents_7d": cents_floor(daily_micros) if daily_micros > 0 else None,
        "balance_runway_days": max(0, balance) // daily_micros if daily_micros > 0 else None,
        "current_month_usage_spend_cents": cents_floor(state.usage_month_micros),
        "monthly_spending_limit_cents": None if limit is None else limit // MICROS_PER_CENT,
        "spending_limit_reached": limit is not None and state.usage_month_micros >= limit,
    }


def _payments_json(state: BillingState) -> dict[str, Any]:
    paid = [row for row in (state.last_manual, state.last_auto) if row is not None]
    newest = max(paid, key=lambda row: row["closed_at"], default=None)
    return {
        "has_ever_topped_up": bool(paid),
        "last_auto_reload": None if state.last_auto is None else _payment_json(state.last_auto),
        "last_top_up": None
        if newest is None
        else {**_payment_json(newest), "kind": "manual" if newest["is_manual"] else "auto"},
        "last_manual_topup_error": state.of_profile("topup_error"),
        "last_manual_topup_intent_id": state.of_profile("topup_payment_id"),
    }


def _payment_json(row: asyncpg.Record) -> dict[str, Any]:
    return {"amount_cents": row["amount_cents"], "created_at": rfc3339(row["closed_at"])}


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)


def wallet_json(state: BillingState) -> dict[str, Any]:
    """The wallet object of `GET /v1/wallet` (Call2Me): dollars as JSON numbers, to the micro (contract §0, Money)."""
    return {
        "balance_usd": usd_number(state.account["balance_micros"]),
        "currency": "USD",
        "auto_recharge": {
            "enabled": state.of_profile("reload_enabled", False),
            "threshold_usd": _dollars(state.of_profile("reload_minimum_cents")),
            "topup_usd": _dollars(state.of_profile("reload_amount_cents")),
        },
    }


def _dollars(cents: int | None) -> float | None:
    return None if cents is None else usd_number(cents * MICROS_PER_CENT)
