"""An agency resells minutes: one client runs through all it has and pays, one does not pay and starts again."""

from datetime import timedelta
from typing import Any, Final

from rich.text import Text

from deploy.demo.agencies import Agency, apply_pack, open_agency, open_client, paid, requests, start
from deploy.demo.chapters.month import AFTER_THE_MONTH
from deploy.demo.day import Chapter, Customer, Day
from deploy.demo.gate import allowed, new_call, refused
from deploy.demo.money import dollars_of_cents
from deploy.demo.usage import hang_up
from deploy.demo.wire import NotAsWritten

PLAN: Final = {
    "name": "Ten a week",
    "currency": "USD",
    "recurring_fee_cents": 2_000,
    "minute_rate_usd": "0.15",
    "included_minutes": 10,
    "rhythm": "weekly",
    "rhythm_count": 1,
    "due_days": 2,
    "grace_days": 1,
    "packs_allowed": True,
}
PACK: Final = {"name": "Five more", "minutes": 5, "price_cents": 300, "currency": "USD"}

OWED_CENTS: Final = 65
"""260 billable seconds, 4⅓ minutes at $0.15."""


async def play(day: Day) -> None:
    await day.at(AFTER_THE_MONTH)
    bright = await open_agency(day, "bright-voice", "Bright Voice", PLAN, PACK)
    terms = "$20.00 a week, 10 minutes in it, then $0.15 a minute; a pack of 5 minutes for $3.00"
    await day.tell(bright.account, "plan", terms)
    pine = await open_client(day, bright, "pine-clinic", "Pine Clinic", "+15550142006")
    maple = await open_client(day, bright, "maple-realty", "Maple Realty", "+15550142007")
    for client in (pine, maple):
        await start(day, bright, client)
        await day.tell(client, "plan", "a client of Bright Voice; starts on the plan and is asked for $20.00")
    await _through_all_pools(day, bright, pine)
    await _overdue_and_blocked(day, bright, maple)
    await _end_of_the_week(day, bright, pine)


async def _through_all_pools(day: Day, bright: Agency, pine: Customer) -> None:
    await _talk(day, pine, 480)
    await apply_pack(day, bright, pine)
    await day.tell(pine, "plan", "the agency applies the pack, paid: 5:00 in the minute wallet, which never expires")
    await _talk(day, pine, 300)
    low = await day.dashboard.until(pine.id, lambda event: event["type"] == "included_minutes_low", what="low minutes")
    await day.tell(pine, "note", f"the dashboard hears included_minutes_low ({low['data']['percent']} %)", style="dim")
    await _talk(day, pine, 380)
    await paid(day, bright, await _only(day, bright, pine, kind="recurring"), "transfer 118")
    await day.tell(pine, "paid", "pays the week's $20.00 by bank transfer; the agency notes it")


async def _talk(day: Day, client: Customer, seconds: int) -> None:
    await day.move_to(day.now + timedelta(minutes=5))
    call = await allowed(day, new_call(day, client, "outbound", "+15550155301"), seconds=seconds)
    await hang_up(day, call, after=seconds, bills="0")


async def _overdue_and_blocked(day: Day, bright: Agency, maple: Customer) -> None:
    began = day.now
    await day.move_to(began + timedelta(days=2))
    await _status(day, maple, "subscription_past_due", "two days later the $20.00 are overdue")
    await refused(day, new_call(day, maple, "outbound", "+15550155401"), "payment_overdue", "pay first")
    await day.move_to(began + timedelta(days=3))
    await _status(day, maple, "subscription_blocked", "a day of grace is over")
    await refused(day, new_call(day, maple, "outbound", "+15550155401"), "subscription_blocked", "cancel, start anew")
    await day.http.ask("POST", f"/v1/clients/{maple.id}/subscription/cancel", key=bright.key)
    old = await _only(day, bright, maple, kind="recurring")
    await day.http.ask("PATCH", f"/v1/payment-requests/{old['id']}", {"status": "canceled"}, key=bright.key)
    await day.tell(maple, "plan", "the agency cancels, and lets the old request go")
    await start(day, bright, maple)
    await paid(day, bright, await _only(day, bright, maple, kind="recurring", status="pending"), "transfer 119")
    await day.tell(maple, "paid", "starts again, and pays its $20.00 at once this time")
    await _talk(day, maple, 75)


async def _status(day: Day, client: Customer, event_type: str, words: str) -> None:
    await day.dashboard.until(client.id, lambda event: event["type"] == event_type, what=event_type)
    await day.tell(client, "plan", Text.assemble(f"{words}: ", (event_type, "bold red")))


async def _end_of_the_week(day: Day, bright: Agency, pine: Customer) -> None:
    recurring = await _only(day, bright, pine, kind="recurring")
    end = recurring["period_end"]
    await day.move_to(day.instant(end) + timedelta(minutes=1))
    await day.dashboard.until(pine.id, lambda event: event["type"] == "subscription_renewed", what="the renewal")
    usage = await _only(day, bright, pine, kind="usage")
    if usage["amount_cents"] != OWED_CENTS:
        raise NotAsWritten(f"the usage request asks for {usage['amount_cents']} cents, not for {OWED_CENTS}")
    asked = (f"4:20 × $0.15 a minute = {dollars_of_cents(OWED_CENTS)}", "bold")
    await day.tell(pine, "plan", Text.assemble("the week is over; usage is asked for: ", asked))
    await paid(day, bright, usage, "transfer 131")
    await day.tell(
        pine, "paid", f"pays {dollars_of_cents(OWED_CENTS)}; ten fresh minutes, and the next $20.00 are asked for"
    )


async def _only(day: Day, bright: Agency, client: Customer, **filters: str) -> dict[str, Any]:
    """The one request of this kind."""
    found = [one for one in await requests(day, bright, client) if all(one[k] == v for k, v in filters.items())]
    if len(found) != 1:
        raise NotAsWritten(f"{client.name} has {len(found)} requests that are {filters}, not one")
    return found[0]


AGENCY = Chapter(
    title="A week more: an agency and its clients",
    lead="Minutes first: included, then the minute wallet, then billable. No wallet money moves, no card is charged.",
    play=play,
    needs="/v1/plans",
)
