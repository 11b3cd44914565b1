"""An account's payments explained to a person: the card, auto-reload and its state, the last charges."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shared.money import usd_text

Json = Mapping[str, Any]

CHARGES_SHOWN: Final = 5
CHARGES: Final = {
    "charge_succeeded": "paid",
    "charge_failed": "declined",
    "charge_requires_action": "waits for the customer to confirm",
    "charge_refunded": "refunded",
    "charge_disputed": "disputed",
}


def payments_in_words(billing: Json, charges: Sequence[Json]) -> Iterator[str]:
    """`billing`: the account object of `GET /v1/billing`; `charges`: its charge events, newest first."""
    yield ""
    yield "A card is on file." if billing["has_payment_method"] else "No card is on file."
    yield from _reload(billing)
    if charges:
        yield "Last charges, newest first:"
        yield from map(_charge, charges[:CHARGES_SHOWN])


def _reload(billing: Json) -> Iterator[str]:
    if not billing["auto_reload_enabled"]:
        yield "Auto-reload is off."
        return
    limit = billing["auto_reload_monthly_limit_cents"]
    cap = "" if limit is None else f", at most ${usd_text(limit)} a month"
    yield (
        f"Auto-reload: below ${usd_text(billing['auto_reload_minimum_cents'])} it charges"
        f" ${usd_text(billing['auto_reload_amount_cents'])}{cap};"
        f" this month ${usd_text(billing['auto_reload_month_spend_cents'])} so far."
    )
    yield from _state(billing)


def _state(billing: Json) -> Iterator[str]:
    declines = billing["auto_reload_consecutive_declines"]
    why = billing["auto_reload_failure_code"] or "no reason given"
    match billing["auto_reload_status"]:
        case "retrying":
            yield f"  {declines} declined in a row ({why}); next try {billing['auto_reload_next_retry_at']}"
        case "stopped":
            yield f"  stopped after {declines} declined ({why}), until the card or the settings change"
        case "capped":
            yield "  capped: another charge would go beyond the month's limit"
        case _:
            yield "  a charge is on its way" if billing["auto_reload_in_progress"] else "  in order"


def _charge(event: Json) -> str:
    told = event["data"]
    amount = told.get("amount_cents")
    what = CHARGES.get(event["type"], event["type"])
    code = told.get("decline_code") or told.get("code")
    return f"  {event['time']}  {'' if amount is None else f'${usd_text(amount)} '}{what}{f' ({code})' if code else ''}"
