"""From an ask and what the books say to an outcome: contract §2 in the order 404, 409, 400, 402, 200.

Decisions where the contract is silent:
- A spend limit refuses when the least that must be held doesn't fit, and narrows the grant like money does.
- An extension is refused for the account's reasons too (a suspension in mid-call ends at the granted second), but not
  for the number's: the call has begun.
- A hold that has run out is taken anew under its old id, from now on, at the price now.
- A plan without a rate gives what is left of its minutes, also less than the minute that a call needs in money: they
  are paid for, and empty means less than a second. The same second decides whether a campaign may start and when
  campaigns rest (`ledger.settle_campaigns_v1`); there what open holds reserve counts as left: it may come back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import orjson

from services.gatekeeper.domain.admission import first_refusal, takes_inbound_unpaid
from services.gatekeeper.domain.asks import START_SECONDS, Ask
from services.gatekeeper.domain.grants import (
    LEAST_MINUTES_MS,
    Grant,
    grant_call,
    grant_call_minutes,
    grant_chat_minutes,
    grant_units,
)
from services.gatekeeper.domain.outcomes import (
    ACCOUNT_NOT_FOUND,
    ALREADY_BILLED,
    CHECK_NOT_FOUND,
    REUSED,
    WAS_RELEASED,
    Allowed,
    CampaignAllowed,
    Failed,
    Outcome,
    Released,
    refused,
)
from services.gatekeeper.domain.state import Account, Hold, Seen
from shared.money import usd_exact
from shared.rating.compiled import CompiledBook
from shared.rating.cost import NotPriced, rate_chat, rate_sms
from shared.rating.grant import CallPrice, call_price

CALL_GRACE: Final = timedelta(seconds=120)
MESSAGE_GRACE: Final = timedelta(seconds=600)
MS_PER_MINUTE: Final = 60_000

_FREE = CallPrice(())
_rate_text = lru_cache(maxsize=1024)(usd_exact)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What every ask of a batch shares. `book_of` gives an account's prices in force; None: there are none."""

    now: datetime
    campaign_minimum_micros: int
    book_of: Callable[[Account], CompiledBook | None]
    new_hold_id: Callable[[], str]


def decide(ask: Ask, seen: Seen, around: Circumstances) -> Outcome:
    """What is answered, and what must be written for it."""
    account = seen.account
    if account is None:
        return ACCOUNT_NOT_FOUND
    if ask.action == "release":
        return _release(ask, seen, around)
    if ask.kind == "campaign":
        return _campaign(ask, account, around)
    hold = seen.hold
    if ask.action == "extend" and (hold is None or hold.request is None) and not seen.is_billed:
        return WAS_RELEASED if hold is not None else CHECK_NOT_FOUND
    standing = _standing(ask, seen, around.now)
    if standing is not None:
        return standing
    return _admit(ask if ask.action == "check" else _as_checked(ask, hold), seen, account, around)


def _standing(ask: Ask, seen: Seen, now: datetime) -> Outcome | None:
    """What an earlier check, release or bill of this id settles already."""
    hold = seen.hold
    if hold is not None and hold.state == "released":
        return WAS_RELEASED
    if seen.is_billed or (hold is not None and hold.state == "billed"):
        return ALREADY_BILLED
    if hold is None:
        return None
    if ask.action == "check" and not _is_same(hold, ask):
        return REUSED
    if hold.is_open_at(now) and (ask.action == "check" or ask.quantity <= hold.granted):
        return Allowed(hold, is_new=False)
    return None


def _as_checked(ask: Ask, hold: Hold | None) -> Ask:
    """The extension as the call it extends was checked, with the total wanted now."""
    assert hold is not None
    request = _request_of(hold)
    return replace(
        ask,
        direction=request["direction"],
        from_=request["from"],
        to=request["to"],
        tier=request["tier"],
        recorded=request["recorded"],
    )


def _is_same(hold: Hold, ask: Ask) -> bool:
    return ask.request is not None and _request_of(hold) == orjson.loads(ask.request)


def _request_of(hold: Hold) -> dict[str, Any]:
    """The check's body: read from the books, or written by an earlier ask of this batch."""
    request = hold.request
    return orjson.loads(request) if isinstance(request, str) else request or {}


def _admit(ask: Ask, seen: Seen, account: Account, around: Circumstances) -> Outcome:
    priced = _priced(ask, account, around)
    if isinstance(priced, Failed):
        return priced
    hold = seen.hold
    own = hold if hold is not None and hold.state == "open" else None
    more_of = hold if ask.action == "extend" and hold is not None and hold.is_open_at(around.now) else None
    own_micros = own.amount_micros if own is not None else 0
    need = _need(ask, priced, more_of)
    grant = _grant(ask, account, priced, own)
    refusal = first_refusal(
        account=account,
        direction=ask.direction,
        number_is_suspended=seen.number_is_suspended,
        opens_a_call=ask.kind == "call" and own is None,
        need_micros=need,
        own_micros=own_micros,
        lacks_minutes=_in_minutes(ask.kind, account) and grant.quantity <= (more_of.granted if more_of else 0),
    )
    if refusal is not None:
        return refused(refusal, account, need - (own_micros if more_of else 0))
    return Allowed(_held(ask, hold, more_of, grant, priced, account, around), is_new=True)


def _in_minutes(kind: str, account: Account) -> bool:
    """Calls, and chats in chat mode, of a client with a running plan never touch money (contract §7)."""
    return account.has_plan and (kind == "call" or (kind == "chat" and account.chat_ms is not None))


def _priced(ask: Ask, account: Account, around: Circumstances) -> CallPrice | int | Failed:
    """cost(n) of a call, or the micros of all segments or messages."""
    if _in_minutes(ask.kind, account):
        return _FREE if ask.kind == "call" else 0
    book = around.book_of(account)
    price = NotPriced(ask.kind) if book is None else _price(ask, book, around.now)
    if isinstance(price, NotPriced):
        return Failed(400, "destination_not_priced", f"The price book has no {price.item} price that fits.")
    return price


def _price(ask: Ask, book: CompiledBook, now: datetime) -> CallPrice | int | NotPriced:
    if ask.kind == "call":
        return call_price(
            book=book,
            direction=ask.direction or "outbound",
            to=ask.to or "",
            at=now,
            recorded=ask.recorded,
            tier=ask.tier,
        )
    if ask.kind == "sms":
        rated = rate_sms(
            book=book,
            direction=ask.direction or "outbound",
            to=ask.to or "",
            at=now,
            segments=ask.quantity,
            tier=ask.tier,
        )
    else:
        rated = rate_chat(book=book, at=now, messages=ask.quantity)
    return rated if isinstance(rated, NotPriced) else rated.total_micros


def _need(ask: Ask, priced: CallPrice | int, more_of: Hold | None) -> int:
    """The least that must be affordable: a minute to start, one more second to go on, all messages."""
    if isinstance(priced, int):
        return priced
    return priced.cost(START_SECONDS if more_of is None else more_of.granted + 1)


def _grant(ask: Ask, account: Account, priced: CallPrice | int, own: Hold | None) -> Grant:
    takes_all = takes_inbound_unpaid(account, ask.direction)
    if _in_minutes(ask.kind, account):
        if ask.kind == "chat":
            return grant_chat_minutes(account=account, messages=ask.quantity)
        own_ms = own.pool_ms if own is not None else 0
        return grant_call_minutes(account=account, own_ms=own_ms, wanted_seconds=ask.quantity, takes_all=takes_all)
    if isinstance(priced, int):
        return grant_units(total_micros=priced, account=account, quantity=ask.quantity, takes_all=takes_all)
    own_micros = own.amount_micros if own is not None else 0
    return grant_call(
        price=priced, account=account, own_micros=own_micros, wanted_seconds=ask.quantity, takes_all=takes_all
    )


def _held(
    ask: Ask,
    hold: Hold | None,
    more_of: Hold | None,
    grant: Grant,
    priced: CallPrice | int,
    account: Account,
    around: Circumstances,
) -> Hold:
    since = around.now if more_of is None else more_of.created_at
    is_call = ask.kind == "call"
    return Hold(
        hold_id=around.new_hold_id() if hold is None else hold.hold_id,
        state="open",
        amount_micros=grant.amount_micros,
        pool_ms=grant.pool_ms,
        granted=grant.quantity,
        is_final=grant.is_final,
        rate_usd=_rate(ask, priced, account),
        request=ask.request if hold is None or hold.request is None else hold.request,
        created_at=since,
        expires_at=since + (timedelta(seconds=grant.quantity) + CALL_GRACE if is_call else MESSAGE_GRACE),
    )


def _rate(ask: Ask, priced: CallPrice | int, account: Account) -> str:
    """Per minute, segment or message, as exact text; a plan's own rate where minutes come first. What one chat costs
    at that rate is rounded half-up to the micro, for reading only.
    """
    if _in_minutes(ask.kind, account):
        rate = account.plan_rate_micros or 0
        if ask.kind == "chat":
            rate = (2 * rate * (account.chat_ms or 0) + MS_PER_MINUTE) // (2 * MS_PER_MINUTE)
        return _rate_text(rate)
    if isinstance(priced, CallPrice):
        return _rate_text(priced.rate_micros_per_minute)
    return _rate_text(priced // ask.quantity)


def _campaign(ask: Ask, account: Account, around: Circumstances) -> Outcome:
    """Would a first minute to `to` be affordable; without `to`, is the campaign minimum there? Holds nothing [C]."""
    need = around.campaign_minimum_micros
    lacks_minutes = (
        account.has_plan and account.plan_rate_micros is None and account.pool_available_ms < LEAST_MINUTES_MS
    )
    if account.has_plan:
        need = 0
    elif ask.to is not None:
        priced = _priced(replace(ask, kind="call", direction="outbound"), account, around)
        if isinstance(priced, Failed):
            return priced
        assert isinstance(priced, CallPrice)
        need = priced.cost(START_SECONDS)
    refusal = first_refusal(
        account=account,
        direction=None,
        number_is_suspended=False,
        opens_a_call=False,
        need_micros=need,
        own_micros=0,
        lacks_minutes=lacks_minutes,
    )
    return CampaignAllowed(need, account.available_micros) if refusal is None else refused(refusal, account, need)


def _release(ask: Ask, seen: Seen, around: Circumstances) -> Outcome:
    """Before, during and instead of the check: the tombstone refuses what comes late."""
    hold = seen.hold
    if seen.is_billed or (hold is not None and hold.state == "billed"):
        return Released("already_billed", None)
    if hold is not None and hold.state == "released":
        return Released("released", None)
    if hold is not None:
        return Released("released", replace(hold, state="released"))
    tombstone = Hold(
        hold_id=around.new_hold_id(),
        state="released",
        amount_micros=0,
        pool_ms=0,
        granted=0,
        is_final=False,
        rate_usd=None,
        request=None,
        created_at=around.now,
        expires_at=around.now,
    )
    return Released("released", tombstone)
