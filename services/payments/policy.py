"""The customer's auto-reload settings (contract §5, PATCH /v1/billing; §6, auto-recharge)."""

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from services.payments.context import Context
from services.payments.recharging import consider
from services.payments.store import SQL, lock_profile, payable_account
from services.payments.topups import payment_method_required
from shared.http_errors import invalid_request, not_found
from shared.postgres.pool import transaction


class Unset:
    """A field the caller left out, as opposed to null."""


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Change:
    """What the caller wants different. Amounts in cents; `monthly_limit_cents` None: no limit.

    `names` are the fields as the caller writes them, for refusals.
    """

    names: tuple[str, str] = ("auto_reload_minimum_cents", "auto_reload_amount_cents")
    enabled: bool | None = None
    minimum_cents: int | None = None
    amount_cents: int | None = None
    monthly_limit_cents: int | Unset | None = UNSET


async def change_policy(context: Context, account_id: str, change: Change) -> None:
    """Enable, disable, reconfigure; a changed policy starts afresh, and charges at once where it asks to.

    Raises 404, 422 `payment_method_required` and 422 `invalid_request`.
    """
    async with transaction(context.pool) as connection:
        if await payable_account(connection, account_id) is None:
            raise not_found("account")
        profile = await lock_profile(connection, account_id)
        wanted = _wanted(profile, change)
        if wanted["reload_enabled"]:
            _require_complete(profile, wanted, change)
        if all(profile[name] == value for name, value in wanted.items()):
            is_changed = False
        else:
            is_changed = True
            await connection.execute(SQL.set_policy, account_id, *wanted.values())
            await connection.execute(SQL.reset_charging, account_id)
    if is_changed:
        await consider(context, account_id)


def _wanted(profile: asyncpg.Record, change: Change) -> dict[str, Any]:
    """In the order of the query set_policy."""
    limit = change.monthly_limit_cents
    return {
        "reload_enabled": profile["reload_enabled"] if change.enabled is None else change.enabled,
        "reload_minimum_cents": _given(change.minimum_cents, profile["reload_minimum_cents"]),
        "reload_amount_cents": _given(change.amount_cents, profile["reload_amount_cents"]),
        "reload_monthly_limit_cents": profile["reload_monthly_limit_cents"] if isinstance(limit, Unset) else limit,
    }


def _given(wanted: int | None, stored: int | None) -> int | None:
    return stored if wanted is None else wanted


def _require_complete(profile: asyncpg.Record, wanted: dict[str, Any], change: Change) -> None:
    if profile["default_card_id"] is None:
        raise payment_method_required()
    missing = [
        (name, "is needed to enable this")
        for name, column in zip(change.names, ("reload_minimum_cents", "reload_amount_cents"), strict=True)
        if wanted[column] is None
    ]
    if missing:
        raise invalid_request(missing)
