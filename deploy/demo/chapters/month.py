"""Thirty days later: the number's fee falls due, and a new month has begun for the spending limit."""

from datetime import timedelta
from typing import Final

from rich.text import Text

from deploy.demo.chapters.customers import COMET, LUNA, LUNA_NUMBER
from deploy.demo.day import FEE_DAYS, Chapter, Day
from deploy.demo.gate import allowed, new_call
from deploy.demo.money import explained
from deploy.demo.usage import hang_up

AFTER_THE_MONTH: Final = "10:00"


async def play(day: Day) -> None:
    luna, comet = day.customer(LUNA), day.customer(COMET)
    day.date += timedelta(days=FEE_DAYS)
    await day.at("09:00")
    await day.paper.line(day.now, Text("test clock", style="bold"), "note", "has moved thirty days, over a month's end")
    fee = await day.dashboard.until(
        luna.id, lambda event: event["type"] == "number_fee_charged", what="the number's fee"
    )
    entry = await day.posted(luna, lambda entry: entry["reason"] == "number_fee", "2.50", what="the fee's transaction")
    mark = fee["data"]["mark"][11:16]
    await day.tell(luna, "rent", f"{LUNA_NUMBER} was rented thirty days ago, at {mark}")
    await day.tell(luna, "bill", Text(explained(entry["metadata"]["components"]), style="bold"), balance=True)
    await day.at("09:05")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166232"))
    await hang_up(day, call, after=30, bills="0.16", words="a new month, a new limit; hangs up")


MONTH = Chapter(
    title="Thirty days later: a fee, a new month",
    lead="Fees are charged once per number and period, whatever comes twice or late.",
    play=play,
)
