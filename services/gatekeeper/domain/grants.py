"""How much is given: seconds for money, seconds out of a plan's pools, messages all or nothing."""

from dataclasses import dataclass
from typing import Final

from services.gatekeeper.domain.state import Account
from shared.rating.grant import CallPrice

LEAST_MINUTES_MS: Final = 1_000
"""Pools with less count as empty: no call can be made with it. `ledger.settle_campaigns_v1` goes by the same."""


@dataclass(slots=True)
class Grant:
    """So much is granted, and so much money and pool time is held for it. `is_final`: there is no more to be had."""

    quantity: int
    amount_micros: int
    pool_ms: int
    is_final: bool


def grant_call(*, price: CallPrice, account: Account, own_micros: int, wanted_seconds: int, takes_all: bool) -> Grant:
    """The largest n <= wanted with cost(n) <= available, exactly cost(n) held (contract §2).

    A spend limit narrows what is available. `takes_all` (inbound, allowed at zero): all of it, for what money there
    is. What costs nothing is granted at any balance. Exact, no rounding.
    """
    available = max(account.available_micros + own_micros, 0)
    if takes_all:
        held = min(price.cost(wanted_seconds), available)
        return Grant(wanted_seconds, held, 0, price.cost(wanted_seconds + 1) > available)
    room = account.spend_room_micros
    if room is not None:
        available = min(available, max(room + own_micros, 0))
    seconds = price.largest_affordable_seconds(available_micros=available, wanted_seconds=wanted_seconds)
    return Grant(seconds, price.cost(seconds), 0, price.cost(seconds + 1) > available)


def grant_units(*, total_micros: int, account: Account, quantity: int, takes_all: bool) -> Grant:
    """Messages or segments, all of them; inbound that is allowed at zero holds what money there is."""
    held = min(total_micros, max(account.available_micros, 0)) if takes_all else total_micros
    return Grant(quantity, held, 0, True)


def grant_call_minutes(*, account: Account, own_ms: int, wanted_seconds: int, takes_all: bool) -> Grant:
    """Seconds out of the pools, rounded down to whole ones; with a rate (or unpaid inbound) the rest needs no hold.

    Grants 0 seconds when the pools are empty and there is no rate.
    """
    ready_ms = max(account.pool_available_ms + own_ms, 0)
    if account.plan_rate_micros is not None or takes_all:
        return Grant(wanted_seconds, 0, min(wanted_seconds * 1000, ready_ms), False)
    seconds = min(wanted_seconds, ready_ms // 1000)
    return Grant(seconds, 0, seconds * 1000, ready_ms // 1000 <= seconds)


def grant_chat_minutes(*, account: Account, messages: int) -> Grant:
    """A chat takes `chat_ms` of the pools; all messages or, with empty pools and no rate, none (quantity 0)."""
    needed_ms = messages * (account.chat_ms or 0)
    ready_ms = max(account.pool_available_ms, 0)
    if needed_ms > ready_ms and account.plan_rate_micros is None:
        return Grant(0, 0, 0, True)
    return Grant(messages, 0, min(needed_ms, ready_ms), True)
