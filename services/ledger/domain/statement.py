"""How a transaction is called and found on a statement. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from shared.contracts.fields_v1 import instant
from shared.money import usd_number

REASONS_OF_KIND: Final[Mapping[str, tuple[str, ...]]] = {
    "credit": ("signup_credit", "topup", "auto_reload", "auto_charge", "settle_negative"),
    "debit": ("call", "sms", "chat", "number_fee"),
    "adjustment": ("adjustment", "usage_adjusted", "dispute", "dispute_won"),
    "refund": ("refund", "refund_failed"),
}
"""Contract §5, transactions: every reason belongs to one kind."""

THUNDERPHONE_WORDS: Final[Mapping[str, str]] = {
    "topup": "manual_topup",
    "auto_reload": "auto_reload",
    "auto_charge": "auto_reload",
    "settle_negative": "auto_reload",
    "call": "call_usage",
    "number_fee": "phone_number_monthly",
}
"""ThunderPhone knows one kind of charge made without the customer; all that is not here is an adjustment."""

ADJUSTMENT: Final = "adjustment"

_BARE_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH = re.compile(r"-?[0-9]{1,18}")
_SPACE_FOR_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)")


def thunderphone_kind(reason: str) -> str:
    """The kind in ThunderPhone's words."""
    return THUNDERPHONE_WORDS.get(reason, ADJUSTMENT)


def reasons_of_kind(kind: str, *, in_thunderphone_words: bool) -> tuple[str, ...] | None:
    """The reasons a `kind` filter lets through; None for a word that is no kind.

    Who speaks ThunderPhone's words may use ours as well; `adjustment`, which both have, is then theirs.
    """
    if in_thunderphone_words:
        every = [reason for reasons in REASONS_OF_KIND.values() for reason in reasons]
        theirs = tuple(reason for reason in every if thunderphone_kind(reason) == kind)
        if theirs:
            return theirs
    return REASONS_OF_KIND.get(kind)


def start_instant(text: str) -> datetime:
    """Inclusive: an instant, or the beginning of a bare date. Raises ValueError."""
    return _bare_date(text) or _instant(text)


def end_instant(text: str) -> datetime:
    """Exclusive: an instant, or the end of a bare date, which so includes its day. Raises ValueError."""
    day = _bare_date(text)
    return _instant(text) if day is None else day + timedelta(days=1)


def _bare_date(text: str) -> datetime | None:
    if not _BARE_DATE.fullmatch(text):
        return None
    day = date.fromisoformat(text)
    midnight: datetime = instant(datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat())
    return midnight


def _instant(text: str) -> datetime:
    """In a query string an unescaped "+" of an offset arrives as a space."""
    return instant(int(text) if _EPOCH.fullmatch(text) else _SPACE_FOR_PLUS.sub("+", text))


def wallet_entry(transaction: Mapping[str, Any]) -> dict[str, Any]:
    """A transaction in the wallet's words [C]: dollars as numbers, and what it ties to by name."""
    reference = transaction["reference"]
    return {
        **transaction,
        "amount_usd": usd_number(transaction["amount_micros"]),
        "balance_after_usd": usd_number(transaction["balance_after_micros"]),
        "currency": "USD",
        "message_id": reference["id"] if reference["type"] == "message" else None,
        "chat_id": reference["id"] if reference["type"] == "chat" else None,
        "number_id": transaction["phone_number_id"],
    }
