"""A platform telling what was used: calls that ended, messages that were sent. What it cost comes back as news."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from rich.text import Text

from deploy.demo.dashboard import Event
from deploy.demo.day import Customer, Day, rfc3339
from deploy.demo.gate import Call
from deploy.demo.money import clock, explained, micros, minutes_explained

RING_SECONDS: Final = 4
QUOTED_MAX: Final = 48


def call_ended(
    day: Day, call: Call, seconds: int, *, status: str = "completed", id: str | None = None, **more: Any
) -> Event:
    """The usage event of a call. `seconds` is talk time; a call nobody answered has none."""
    answered_at = call.started_at + timedelta(seconds=RING_SECONDS)
    data = {
        "account_id": call.customer.id,
        "call_id": call.id,
        "direction": call.direction,
        "from": call.from_,
        "to": call.to,
        "status": status,
        "started_at": rfc3339(call.started_at),
        "ended_at": rfc3339(answered_at + timedelta(seconds=seconds)),
        "duration_seconds": seconds,
        **({"answered_at": rfc3339(answered_at)} if status == "completed" else {}),
        **({"recorded_seconds": seconds} if call.is_recorded and seconds else {}),
        **more,
    }
    ended_at = answered_at + timedelta(seconds=seconds)
    return day.event("call.ended", data, id=id or f"{call.id}-ended", at=ended_at)


async def hang_up(day: Day, call: Call, *, after: int, bills: str, words: str = "hangs up") -> Event:
    """The call ends after so many seconds of talk; returns its event, which has been billed and heard of."""
    await day.move_to(max(day.now, talk_time(call, after)))
    event = call_ended(day, call, after)
    await day.publisher.publish(event)
    await billed(day, call.customer, call.id, bills, f"{words} after {clock(after)}")
    return event


def talk_time(call: Call, seconds: int) -> datetime:
    """The instant at which so many seconds have been talked."""
    return call.started_at + timedelta(seconds=RING_SECONDS + seconds)


async def billed(day: Day, customer: Customer, ref_id: str, usd: str, words: str) -> None:
    """Wait for the balance news of this usage and tell it."""
    entry = await day.posted(customer, about(ref_id), usd, what=ref_id)
    overrun = ", longer than was held: charged in full" if entry["metadata"].get("overrun") else ""
    await day.tell(customer, "SMS" if entry["reason"] == "sms" else "call", words)
    pools_ms = entry["metadata"].get("minute_pools_ms")
    cost = minutes_explained(pools_ms) if pools_ms else explained(entry["metadata"]["components"])
    await day.tell(customer, "bill", Text.assemble((cost, "bold"), overrun), balance=not pools_ms)


def about(ref_id: str) -> Callable[[Event], bool]:
    """Is a transaction about this call or message?"""
    return lambda entry: entry["reference"]["id"] == ref_id


async def nothing_used(day: Day, call: Call, status: str, words: str) -> None:
    """A call nobody answered: told, settled, free."""
    await day.publisher.publish(call_ended(day, call, 0, status=status))
    await day.dashboard.settled(call.customer.id, call.id)
    day.hold_to_script(call.customer)
    await day.tell(call.customer, "call", f"{words}; ringing is never billed", style="dim", balance=True)


async def text(day: Day, customer: Customer, to: str, body: str, *, bills: str) -> None:
    """Ask for a message, send it, tell it."""
    message_id = customer.next_id("sms")
    check = {"account_id": customer.id, "message_id": message_id, "direction": "outbound", "from": customer.phone}
    answer = await day.http.ask("POST", "/v1/checks/sms", {**check, "to": to, "text": body})
    segments = answer["granted_segments"]
    await day.publisher.publish(sms_sent(day, customer, message_id, to, segments))
    quoted = body if len(body) <= QUOTED_MAX else f"{body[: QUOTED_MAX - 1]}…"
    await billed(day, customer, message_id, bills, f"to {to} “{quoted}”")


def sms_sent(day: Day, customer: Customer, message_id: str, to: str, segments: int, *, id: str | None = None) -> Event:
    data = {
        "account_id": customer.id,
        "message_id": message_id,
        "from": customer.phone,
        "to": to,
        "segments": segments,
    }
    return day.event("sms.sent", data, id=id or f"{message_id}-sent")


async def given(day: Day, customer: Customer, usd: str, description: str, words: str) -> None:
    """Money by hand, as an operator gives it."""
    made = await day.http.ask(
        "POST",
        f"/v1/accounts/{customer.id}/adjustments",
        {"amount_cents": micros(usd) // 10_000, "description": description},
        wants=201,
        Idempotency_Key=customer.next_id("credit"),
    )
    await day.posted(customer, lambda entry: entry["id"] == made["id"], f"-{usd}", what=description)
    await day.tell(customer, "paid", Text.assemble(words, ": ", (f"+${usd}", "bold green")), balance=True)
