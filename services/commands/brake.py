"""`ringfence brake …`: the brake on automatic charges, pulled where the books look wrong: see why, and release it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any

import asyncpg
import typer

from services.commands.console import print_json, print_table, say
from services.commands.environment import setting
from services.payments import brake
from services.payments.store import SQL
from shared.clock import SystemClock, rfc3339
from shared.postgres.pool import open_pool

app = typer.Typer(
    help="The brake on automatic charges: while it is held no card is charged but by its owner's hand.",
    no_args_is_help=True,
)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


@app.command()
def show(json: JsonOption = False) -> None:
    """Whether the brake is held, since when and why, and what else payments has told ops and nobody has cleared."""
    state, alerts = asyncio.run(_look())
    if json:
        print_json({**state, "alerts": alerts})
        return
    if state["held"]:
        say(f"The brake is held until {state['held_until']}: {state['reason']}.")
        say("When you have looked: ringfence brake release")
    else:
        say("The brake is not held.")
    if alerts:
        say("")
        columns = ("kind", "subject", "account", "times", "last", "detail")
        rows = [
            [alert[name] for name in ("kind", "subject", "account_id", "times", "last_at", "detail")]
            for alert in alerts
        ]
        print_table(columns, rows, right=("times",))


@app.command()
def release(json: JsonOption = False) -> None:
    """Let automatic charges go on; what crossed its threshold before does not pull the brake again."""
    was_held = asyncio.run(_release())
    if json:
        print_json({"released": was_held})
    else:
        say("Released: automatic charges go on." if was_held else "The brake was not held.")


async def _look() -> tuple[dict[str, Any], Sequence[dict[str, Any]]]:
    async with _payments() as (pool, now):
        row = await pool.fetchrow(SQL.find_brake)
        assert row is not None
        state = {
            "held": await brake.is_held(pool, now),
            "pulled_at": _time(row["pulled_at"]),
            "held_until": _time(row["held_until"]),
            "reason": row["reason"],
        }
        alerts = [dict(alert) for alert in await pool.fetch(SQL.open_alerts)]
    return state, [
        {**alert, "first_at": _time(alert["first_at"]), "last_at": _time(alert["last_at"])} for alert in alerts
    ]


async def _release() -> bool:
    async with _payments() as (pool, now):
        is_held = await brake.is_held(pool, now)
        await brake.release(pool, now)
        return is_held


@asynccontextmanager
async def _payments() -> AsyncIterator[tuple[asyncpg.Pool, datetime]]:
    """Its database as its role, and what time it is there."""
    pool = await open_pool(setting("RINGFENCE_POSTGRES_URL"), "payments", size_max=1)
    try:
        offset = timedelta(microseconds=await pool.fetchval(SQL.clock_offset))
        yield pool, SystemClock().now() + offset
    finally:
        await pool.close()


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else rfc3339(instant)
