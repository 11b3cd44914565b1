"""A card that is declined: the notice, the suspension, a new card, and straight back."""

from rich.text import Text

from deploy.demo.billing import auto_reload, credited, notice, save_card
from deploy.demo.day import Chapter, Customer, Day
from deploy.demo.gate import allowed, new_call, refused
from deploy.demo.usage import hang_up
from deploy.demo.wire import NotAsWritten

TAXI = "old-town-taxi"


async def play(day: Day) -> None:
    await day.at("21:20")
    taxi = await day.open_account(TAXI, "Old Town Taxi", "+15550142005", signup_credit_cents=50, inbound_policy="allow")
    await day.tell(taxi, "new", "takes every call that comes in, also at zero; half a dollar to start", balance=True)
    await _a_card_that_is_declined(day, taxi)
    await _below_zero(day, taxi)
    await _a_new_card(day, taxi)


async def _a_card_that_is_declined(day: Day, taxi: Customer) -> None:
    await save_card(day, taxi, "pm_card_chargeCustomerFail", "saves a card")
    await auto_reload(day, taxi, minimum_cents=200, amount_cents=1_000)
    await day.tell(taxi, "card", "auto-reload on: below $2.00 charge $10.00")
    await day.dashboard.until(taxi.id, lambda event: event["type"] == "auto_reload_failed", what="the decline")
    account = await day.http.ask("GET", "/v1/billing", key=taxi.key)
    failed = ("declined", "bold red")
    status = account["auto_reload_status"]
    await day.tell(taxi, "card", Text.assemble("charged at once: ", failed, f"; {status}, next at {_next(account)}"))


async def _below_zero(day: Day, taxi: Customer) -> None:
    await day.at("21:25")
    call = await allowed(day, new_call(day, taxi, "inbound", "+15550155201"), seconds=120)
    await hang_up(day, call, after=115, bills="0.32")
    await day.at("21:30")
    call = await allowed(day, new_call(day, taxi, "outbound", "+15550155202"))
    await hang_up(day, call, after=52, bills="0.16")
    await day.at("21:35")
    why = "a first minute costs {required}, {available} is free"
    await refused(day, new_call(day, taxi, "outbound", "+15550155203"), "insufficient_balance", why)
    shown = await notice(day, taxi)
    await day.tell(taxi, "note", f"the customer's page shows: “{shown['message']}”")
    await day.at("21:40")
    call = await allowed(day, new_call(day, taxi, "inbound", "+15550155204"), seconds=120)
    await hang_up(day, call, after=109, bills="0.32")
    news = await day.dashboard.until(taxi.id, lambda event: event["type"] == "account_suspended", what="the suspension")
    suspended = ("suspended", "bold red")
    await day.tell(taxi, "note", Text.assemble("below zero, and the card does not pay: ", suspended, _reason(news)))
    await day.at("21:45")
    why = "{balance} is the balance; calls that come in still pass"
    await refused(day, new_call(day, taxi, "outbound", "+15550155203"), "account_suspended", why)


async def _a_new_card(day: Day, taxi: Customer) -> None:
    await day.at("21:50")
    await save_card(day, taxi, "pm_card_mastercard", "saves a new card")
    await day.dashboard.until(taxi.id, lambda event: event["type"] == "account_reinstated", what="the return")
    await day.tell(taxi, "note", Text.assemble(("reinstated", "bold green"), " at once, by itself"))
    await credited(day, taxi, "auto_reload", "10.00", "and charged what the old one could not")
    await day.at("21:52")
    call = await allowed(day, new_call(day, taxi, "outbound", "+15550155203"))
    await hang_up(day, call, after=57, bills="0.16")
    if (await notice(day, taxi))["show"]:
        raise NotAsWritten("the notice is still shown, although the card pays")


def _next(account: dict[str, str]) -> str:
    return account["auto_reload_next_retry_at"][11:16]


def _reason(news: dict[str, dict[str, str]]) -> str:
    return f" ({news['data']['reason']})"


DECLINED = Chapter(
    title="Night: a declined card",
    lead="Nobody is cut off without a charge having been tried, and a new card leads straight back.",
    play=play,
    needs="/v1/billing/top-up",
)
