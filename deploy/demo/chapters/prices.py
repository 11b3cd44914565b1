"""A new price from four o'clock on; a call of the morning that is told in the evening keeps the morning's price."""

from datetime import timedelta
from typing import Any

from rich.text import Text

from deploy.demo.chapters.customers import LUNA
from deploy.demo.day import Chapter, Customer, Day, rfc3339
from deploy.demo.gate import Call, allowed, new_call
from deploy.demo.usage import billed, call_ended, hang_up

AFTERNOON_CALL = "luna-afternoon-call"


async def play(day: Day) -> None:
    luna = day.customer(LUNA)
    await day.at("15:00")
    await _publish_prices(day)
    await day.at("16:40")
    call = await allowed(day, new_call(day, luna, "inbound", "+15550177312", recorded=True), seconds=180)
    event = await hang_up(day, call, after=130, bills="0.54")
    day.remembered[AFTERNOON_CALL] = event["id"]
    await day.at("17:00")
    await _late_call(day, luna)


async def _publish_prices(day: Day) -> None:
    book: dict[str, Any] = await day.http.ask("GET", "/v1/prices")
    items = [item | ({"price_usd": "0.06"} if item["item"] == "telephony" else {}) for item in book["items"]]
    from_four = day.date + timedelta(hours=16)
    await day.http.ask(
        "PUT", "/v1/prices", {"effective_at": rfc3339(from_four), "zones": book["zones"], "items": items}
    )
    await day.paper.line(
        day.now,
        Text("price book", style="bold"),
        "new",
        "version 2 published: telephony $0.08 → $0.06 a minute, from 16:00 on",
    )


async def _late_call(day: Day, luna: Customer) -> None:
    """The practice's line was down since the morning: nobody could ask the gate or tell what was used."""
    call = Call(luna.next_id("call"), luna, "inbound", "+15550177313", True, day.date + timedelta(hours=11, minutes=10))
    await day.publisher.publish(call_ended(day, call, 80))
    await billed(
        day,
        luna,
        call.id,
        "0.40",
        "from 11:10, 1:20 long, told only now: the line was down",
    )


PRICES = Chapter(
    title="Afternoon: a new price",
    lead="Usage is billed at the price in force when it happened, whenever it is told.",
    play=play,
)
