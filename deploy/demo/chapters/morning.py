"""Calls are gated, held, extended, released and billed; texts are counted in segments."""

from datetime import timedelta

from deploy.demo.chapters.customers import COMET, LUNA
from deploy.demo.day import Chapter, Customer, Day
from deploy.demo.gate import allowed, extended, let_go, new_call
from deploy.demo.usage import hang_up, nothing_used, text


async def play(day: Day) -> None:
    luna, comet = day.customer(LUNA), day.customer(COMET)
    await day.at("09:02")
    call = await allowed(day, new_call(day, luna, "inbound", "+15550177310", recorded=True), over_amqp=True)
    await day.move_to(day.now + timedelta(seconds=52))
    await extended(day, call, to_seconds=120)
    await hang_up(day, call, after=103, bills="0.40")
    await _nobody_talks(day, comet)
    await _reminders(day, luna)
    await _long_calls(day, comet)


async def _nobody_talks(day: Day, comet: Customer) -> None:
    await day.at("09:10")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166201"))
    await day.move_to(day.now + timedelta(seconds=6))
    await let_go(day, call, "the line is busy")
    await day.at("09:12")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166202"))
    await day.move_to(day.now + timedelta(seconds=30))
    await nothing_used(day, call, "no_answer", "rings for half a minute, nobody answers")


async def _reminders(day: Day, luna: Customer) -> None:
    await day.at("09:20")
    await text(day, luna, "+15550177310", "See you tomorrow at 14:00. Luna Dental", bills="0.01")
    await day.at("09:21")
    smile = "Time for your check-up 🦷 Call us, or answer with a day that suits you, and we book it."
    await text(day, luna, "+15550177311", smile, bills="0.02")


async def _long_calls(day: Day, comet: Customer) -> None:
    await day.at("09:40")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166203"), seconds=300)
    await day.move_to(day.now + timedelta(seconds=290))
    await extended(day, call, to_seconds=600)
    await hang_up(day, call, after=432, bills="1.44")
    await day.at("10:15")
    call = await allowed(day, new_call(day, comet, "outbound", "+15550166204"), seconds=120)
    await hang_up(day, call, after=100, bills="0.36")


MORNING = Chapter(
    title="Morning: calls and texts",
    lead="The gate ring-fences what each may cost; what it did cost is billed afterwards, by the begun minute.",
    play=play,
)
