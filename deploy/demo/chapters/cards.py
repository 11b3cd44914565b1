"""Money in: a top-up by card, one that the bank wants confirmed, auto-reload before anything stops, and its cap."""

from datetime import timedelta

from rich.text import Text

from deploy.demo.billing import auto_reload, credited, save_card, top_up
from deploy.demo.day import Chapter, Customer, Day
from deploy.demo.gate import allowed, new_call
from deploy.demo.usage import hang_up

SUNNY = "sunny-travel"


async def play(day: Day) -> None:
    await day.at("20:00")
    sunny = await day.open_account(SUNNY, "Sunny Travel", "+15550142004", signup_credit_cents=100)
    await day.tell(sunny, "new", "books trips by phone, and wants to pay by card", balance=True)
    await save_card(day, sunny, "pm_card_visa", "saves a card")
    await top_up(day, sunny, 500)
    await credited(day, sunny, "topup", "5.00", "top-up by card, in the balance before it is answered")
    if day.bank_url is not None:
        await _confirm_at_the_bank(day, sunny, day.bank_url)
    await _reload(day, sunny)


async def _confirm_at_the_bank(day: Day, sunny: Customer, bank_url: str) -> None:
    await day.at("20:05")
    answer = await top_up(day, sunny, 500, payment_method_id="pm_card_authenticationRequired")
    await day.tell(sunny, "card", f"top-up of $5.00 with another card: {answer['status']}, nothing is credited yet")
    page = f"{bank_url}/3ds/{answer['payment_intent_id']}"
    await day.http.submit(page, {"client_secret": answer["client_secret"], "outcome": "complete"})
    await credited(day, sunny, "topup", "5.00", "confirmed on the bank's page (3-D Secure); the webhook brings it")


async def _reload(day: Day, sunny: Customer) -> None:
    await day.at("20:10")
    await auto_reload(day, sunny, minimum_cents=1_000, amount_cents=500, limit_cents=500)
    await day.tell(sunny, "card", "auto-reload on: below $10.00 charge $5.00, no more than $5.00 a month")
    call = await allowed(day, new_call(day, sunny, "outbound", "+15550155101"), seconds=600)
    await hang_up(day, call, after=600, bills="1.60")
    await credited(day, sunny, "auto_reload", "5.00", "auto-reload")
    await day.at("20:30")
    call = await allowed(day, new_call(day, sunny, "outbound", "+15550155102"), seconds=1_800)
    await hang_up(day, call, after=1_800, bills="4.80")
    await day.dashboard.until(sunny.id, lambda event: event["type"] == "auto_reload_capped", what="the cap")
    capped = ("auto_reload_capped", "bold yellow")
    await day.tell(sunny, "card", Text.assemble("below $10.00 again, but the month's $5.00 are spent: ", capped))
    await day.move_to(day.now + timedelta(minutes=5))
    await auto_reload(day, sunny, minimum_cents=1_000, amount_cents=500, limit_cents=2_000)
    await day.tell(sunny, "card", "raises the cap to $20.00")
    await credited(day, sunny, "auto_reload", "5.00", "auto-reload, at once")


CARDS = Chapter(
    title="Night: money in",
    lead="Cards are charged by a stand-in of Stripe: no real money moves. A charge and its credit are one commit.",
    play=play,
    needs="/v1/billing/top-up",
)
