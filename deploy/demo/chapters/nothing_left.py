"""A small balance runs out in the middle of a call: cut in time, refused, paid in, back."""

from datetime import timedelta

from deploy.demo.chapters.customers import HARBOR
from deploy.demo.day import Chapter, Day
from deploy.demo.gate import allowed, new_call, not_extended, refused
from deploy.demo.usage import given, hang_up, text


async def play(day: Day) -> None:
    harbor = day.customer(HARBOR)
    await day.at("12:01")
    call = await allowed(day, new_call(day, harbor, "inbound", "+15550188401"), seconds=240)
    await hang_up(day, call, after=200, bills="0.72", words="a large order; hangs up")
    await day.at("12:10")
    call = await allowed(day, new_call(day, harbor, "inbound", "+15550188402"), seconds=300)
    await day.move_to(day.now + timedelta(seconds=55))
    await not_extended(day, call, to_seconds=120, why="another minute costs {required}, {available} is free")
    await hang_up(day, call, after=60, bills="0.18", words="the platform cuts the call")
    await day.at("12:14")
    why = "a first minute costs {required}, {available} is free"
    await refused(day, new_call(day, harbor, "inbound", "+15550188403"), "insufficient_balance", why)
    await text(day, harbor, "+15550188403", "We could not take your call, please try later!", bills="0.01")
    await day.at("12:30")
    await given(day, harbor, "5.00", "Paid in cash", "the owner pays in cash, an operator credits it")
    await day.dashboard.until(harbor.id, lambda event: event["type"] == "balance_recovered", what="the recovery")
    await day.tell(harbor, "note", "the dashboard hears balance_recovered", style="dim")
    await day.at("12:33")
    call = await allowed(day, new_call(day, harbor, "inbound", "+15550188403"))
    await hang_up(day, call, after=48, bills="0.18")


NOTHING_LEFT = Chapter(
    title="Noon: nothing left",
    lead="No call runs on without money: the gate grants only what can be paid, and says when nothing more can.",
    play=play,
)
