"""Thirty days later: the number's fee falls due, and a new month has begun for the spending limit."""

from datetime import timedelta

from rich.text import Text

from deploy.demo.chapters.customers import COMET, LUNA, LUNA_NUMBER
from deploy.demo.day import FEE_DAYS, Chapter, Day
from deploy.demo.gate import allowed, new_call
from deploy.demo.money import explained
from deploy.demo.usage import hang_up, must_cost


async def play(day: Day) -> None:
    luna, comet = day.customer(LUNA), day.customer(COMET)
    day.date += timedelta(days=FEE_DAYS)
    await day.at("09:00")
    await day.paper.line(
        day.now, Text(f"{day.now:%d %B}", style="bold"), "note", "the clock has moved thirty days, over a month's end"
    )
    fee = await day.dashboard.until(
        luna.id, lambda event: event["type"] == "number_fee_charged", what="the number's fee"
    )

    def is_fee(entry: dict[str, object]) -> bool:
        return entry["reason"] == "number_fee"

    news = await day.dashboard.until(
        luna.id, lambda event: any(map(is_fee, event["data"].get("transactions", ()))), what="the fee's transaction"
    )
    (entry,) = filter(is_fee, news["data"]["transactions"])
    must_cost(entry, "2.50")
    day.paid(luna, "2.50")
    day.hold_to_script(luna)
    mark = fee["data"]["mark"][11:16]
    await day.tell(luna, "rent", f"{LUNA_NUMBER} was rented thirty days ago, at {mark}")
    await day.tell(luna, "bill", Text(explained(entry["metadata"]["components"]), style="bold"), balance=True)
    await day.at("09:05")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166232"))
    await hang_up(day, call, after=30, bills="0.16", words="a new month, a new limit; hangs up")


MONTH = Chapter(
    title="Thirty days later",
    lead="Fees are charged once per number and period, whatever comes twice or late.",
    play=play,
)
