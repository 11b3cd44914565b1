"""Holds written straight through the door, without asking the gate."""

from datetime import datetime
from typing import Any

from services.gatekeeper import store
from services.gatekeeper.domain.state import Hold


async def place_hold(
    connection: Any, account_id: str, call_id: str, *, amount_micros: int, expires_at: datetime, now: datetime
) -> None:
    """Raises CheckViolationError where the money is not there."""
    hold = Hold(
        hold_id=f"hold_{call_id}",
        state="open",
        amount_micros=amount_micros,
        pool_ms=0,
        granted=60,
        is_final=False,
        rate_usd="0.18",
        request=None,
        created_at=now,
        expires_at=expires_at,
    )
    await store.write_holds(connection, {(account_id, "call", call_id): hold}, now)
