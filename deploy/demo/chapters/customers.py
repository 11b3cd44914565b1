"""Three customers open their accounts, and one of them rents a number."""

from datetime import timedelta
from typing import Final

from deploy.demo.day import FEE_DAYS, Chapter, Customer, Day, rfc3339

LUNA, HARBOR, COMET = "luna-dental", "harbor-pizza", "comet-outreach"
LUNA_NUMBER: Final = "+15550142001"
NUMBER_ID: Final = "luna-front-desk"


async def play(day: Day) -> None:
    await day.at("08:50")
    luna = await day.open_account(LUNA, "Luna Dental", LUNA_NUMBER)
    await _introduce(day, luna, "an AI receptionist: records its calls, texts its patients")
    harbor = await day.open_account(HARBOR, "Harbor Pizza", "+15550142002", signup_credit_cents=100)
    await _introduce(day, harbor, "one order line, and a dollar to try it with")
    limits = {"signup_credit_cents": 300, "monthly_spend_limit_cents": 320}
    comet = await day.open_account(COMET, "Comet Outreach", "+15550142003", **limits)
    await _introduce(day, comet, "a dialer that rings ten people at once; may spend $3.20 a month")
    await _rent_number(day, luna)


async def _introduce(day: Day, customer: Customer, character: str) -> None:
    day.hold_to_script(customer)
    await day.tell(customer, "new", character, balance=True)


async def _rent_number(day: Day, luna: Customer) -> None:
    """Renting is free; the fee falls due at each 30-day mark."""
    await day.at("08:57")
    rented = {"account_id": luna.id, "number_id": NUMBER_ID, "number": LUNA_NUMBER, "at": rfc3339(day.now)}
    await day.publisher.publish(day.event("number.rented", rented, id="luna-number-rented"))
    first_fee = day.now + timedelta(days=FEE_DAYS)
    await day.tell(
        luna, "rent", f"{LUNA_NUMBER}: nothing now, $2.50 every 30 days, first on {first_fee.day} {first_fee:%B}"
    )


CUSTOMERS = Chapter(
    title="Morning: three customers",
    lead="Accounts are opened over HTTP; each starts with a sign-up credit.",
    play=play,
)
