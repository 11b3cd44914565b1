"""A platform telling what was used: calls that ended, messages that were sent. What it cost comes back as news."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from rich.text import Text

from deploy.demo.dashboard import Event
from deploy.demo.day import Customer, Day, rfc3339
from deploy.demo.gate import Call
from deploy.demo.money import clock, explained, micros
from deploy.demo.wire import NotAsWritten

RING_SECONDS: Final = 4


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
    """Wait for the balance news of this usage, hold it to the script, tell it."""
    news = await day.dashboard.settled(customer.id, ref_id)
    day.paid(customer, usd)
    (entry,) = [one for one in news["data"]["transactions"] if one["reference"]["id"] == ref_id]
    must_cost(entry, usd)
    day.hold_to_script(customer)
    overrun = ", longer than was held: charged in full" if entry["metadata"].get("overrun") else ""
    await day.tell(customer, "SMS" if entry["reason"] == "sms" else "call", words)
    cost = Text.assemble((explained(entry["metadata"]["components"]), "bold"), overrun)
    await day.tell(customer, "bill", cost, balance=True)


def must_cost(entry: Event, usd: str) -> None:
    """Raises NotAsWritten when a transaction took another amount than the script says."""
    if entry["amount_micros"] != -micros(usd):
        raise NotAsWritten(f"“{entry['description']}” took {-entry['amount_micros']} micros, the script says ${usd}")


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
    quoted = body if len(body) <= 44 else f"{body[:43]}…"
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
    entry = await day.http.ask(
        "POST",
        f"/v1/accounts/{customer.id}/adjustments",
        {"amount_cents": micros(usd) // 10_000, "description": description},
        wants=201,
        Idempotency_Key=customer.next_id("credit"),
    )
    await day.dashboard.posted(customer.id, entry["id"])
    day.paid(customer, f"-{usd}")
    day.hold_to_script(customer)
    await day.tell(customer, "paid", Text.assemble(words, ": ", (f"+${usd}", "bold green")), balance=True)


def settled_ids(events: Sequence[Event]) -> list[str]:
    return [event["data"]["call_id"] for event in events]
