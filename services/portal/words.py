"""How numbers, times and states read on a page."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

MINUS: Final = "\N{MINUS SIGN}"
SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£"}

KINDS: Final = {"credit": "Added", "debit": "Usage", "adjustment": "Adjustment", "refund": "Refund"}
RELOAD: Final = {
    "off": "Off",
    "ok": "On",
    "retrying": "Trying again",
    "stopped": "Stopped",
    "capped": "Monthly limit reached",
}
SUBSCRIPTION: Final = {
    "active": ("Active", "good", "The plan runs and everything due is paid."),
    "past_due": ("Past due", "warn", "A payment is past its due date. Calls and campaigns rest until it is paid."),
    "blocked": ("Blocked", "bad", "The grace period ended without payment. Only a new start leaves this state."),
    "canceled": ("Canceled", "quiet", "The subscription has ended."),
}
REQUEST: Final = {
    "pending": ("Pending", "quiet", "Asked for; not due yet."),
    "paid": ("Paid", "good", "Your agency has confirmed the payment."),
    "overdue": ("Overdue", "bad", "The due date has passed."),
    "failed": ("Failed", "bad", "A payment was tried and failed; it is still owed."),
    "canceled": ("Canceled", "quiet", "No longer asked for."),
}
RHYTHM: Final = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}


def money(cents: int, currency: str = "USD") -> str:
    """1234567 → "$12,345.67"; with a true minus sign, and the code where there is no sign."""
    whole, rest = divmod(abs(cents), 100)
    code = currency.upper()
    amount = f"{SIGNS.get(code, '')}{whole:,}.{rest:02d}"
    return f"{MINUS if cents < 0 else ''}{amount}{'' if code in SIGNS else ' ' + code}"


def usd(text: str) -> str:
    """The API's "-0.16" as "−$0.16"."""
    return f"{MINUS}${text[1:]}" if text.startswith("-") else f"${text}"


def plain(cents: int | None) -> str:
    """As a person types it into a field: 2000 → "20", 1250 → "12.50"."""
    if cents is None:
        return ""
    whole, rest = divmod(cents, 100)
    return f"{whole}.{rest:02d}" if rest else str(whole)


def cents_of(text: str) -> int | None:
    """What a person typed, in cents: "25", "$1,250.5"; None for what is no amount."""
    whole, dot, rest = text.strip().removeprefix("$").replace(",", "").partition(".")
    if not whole.isascii() or not whole.isdecimal() or len(whole) > 9 or (dot and not _is_cents(rest)):
        return None
    return int(whole) * 100 + int(rest.ljust(2, "0") or 0)


def _is_cents(rest: str) -> bool:
    return len(rest) <= 2 and (rest == "" or (rest.isascii() and rest.isdecimal()))


def moment(text: str | datetime | None) -> str:
    """2026-03-01T12:00:00.000Z → "1 Mar 2026, 12:00"; times are UTC."""
    at = _at(text)
    return "" if at is None else f"{at.day} {at:%b %Y, %H:%M}"


def day(text: str | datetime | None) -> str:
    at = _at(text)
    return "" if at is None else f"{at.day} {at:%b %Y}"


def period(start: str | datetime, end: str | datetime) -> str:
    """ "22 Dec 2026 – 22 Jan 2027"; the first year is said only where it is another."""
    first, last = _at(start), _at(end)
    assert first is not None
    assert last is not None
    said = f"{first.day} {first:%b}" if first.year == last.year else day(first)
    return f"{said} – {day(last)}"


def age(passed: timedelta | None) -> str:
    """The largest unit that says something: "3 h", "45 s"; a dash for what is not known."""
    if passed is None:
        return "–"
    seconds = max(0, int(passed.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def _at(text: str | datetime | None) -> datetime | None:
    at = datetime.fromisoformat(text) if isinstance(text, str) else text
    return None if at is None else at.astimezone(UTC)


def minutes(seconds: int) -> str:
    """Whole minutes where they are whole, else minutes and seconds: "12 min 5 s"."""
    whole, rest = divmod(seconds, 60)
    return f"{whole:,} min {rest} s" if rest else f"{whole:,} min"


def billed(quantity: int, unit: str) -> str:
    """ "1 minute", "11 minutes"."""
    return f"{quantity:,} {unit}{'' if quantity == 1 or unit.endswith('s') else 's'}"


def price(amount: str, currency: str) -> str:
    """A decimal price with its sign, or with the code where there is none: "$0.12", "0.12 USDT"."""
    sign = SIGNS.get(currency.upper())
    return f"{sign}{amount}" if sign else f"{amount} {currency.upper()}"


def rhythm(plan: Mapping[str, Any]) -> str:
    """ "month", "2 weeks"."""
    unit, count = RHYTHM[plan["rhythm"]], plan["rhythm_count"]
    return unit if count == 1 else f"{count} {unit}s"


def readable(letter: Mapping[str, Any]) -> str:
    """The body of a dead letter as it is read: JSON over several lines, anything else as it came."""
    body = letter["body"]
    return body if isinstance(body, str) else orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "money": money,
    "usd": usd,
    "plain": plain,
    "moment": moment,
    "day": day,
    "minutes": minutes,
    "rhythm": rhythm,
    "period": period,
    "billed": billed,
    "price": price,
    "age": age,
    "readable": readable,
}
GLOBALS: Final[Mapping[str, Any]] = {"SUBSCRIPTION": SUBSCRIPTION, "REQUEST": REQUEST, "RELOAD": RELOAD, "KINDS": KINDS}
