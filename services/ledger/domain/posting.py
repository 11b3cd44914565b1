"""Decide what a batch of calls, messages and chats becomes in the books. Pure: facts and what was read under lock
in, rows to write and outcomes out.

Outcomes in the order in which they are judged (the first that fits wins):
    unknown account → retried later
    same id, same content → ignored          same id, other content → parked `id_reused`
    same call or message under another id → parked `suspected_duplicate`, unless a person accepted it
    period not open yet → waits in the books
    no price → parked `destination_not_priced`
    posted, or recorded as free where nothing was used
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from services.ledger.domain.charges import Charge, charge_for, minutes_charge, minutes_needed_ms
from services.ledger.domain.plans import Plan, counted_at, plan_then, take_ms
from services.ledger.domain.usage import Refused, UsageFact
from shared.price_books import InForce
from shared.rating.cost import NotPriced

REVENUE: Final = "revenue"


class Seen(NamedTuple):
    """What the books say about one event, read under lock: the first columns of ledger.open_usage_v1. `past` is the
    plan that ran as the usage ended, where that may be another one than the present (`plans.needs_history`).
    """

    is_known_account: bool
    prices_version: int
    known_hash: bytes | None
    has_twin: bool
    hold_state: str | None
    hold_amount_micros: int | None
    subscription_id: str | None
    period_end: datetime | None
    chat_ms: int | None
    included_ms: int | None
    wallet_ms: int | None
    counts_from: datetime | None
    past: Plan | None = None


@dataclass(frozen=True, slots=True)
class Later:
    """It can't be judged yet: the account may still be on its way."""

    reason: str
    detail: str


class Accepted(NamedTuple):
    """One event to record. `charge` None: nothing was used. `own_version` is that of the account's own prices.
    `hold_is_open`: the hold it closes still held money.
    """

    fact: UsageFact
    state: str
    charge: Charge | None = None
    book_version: int | None = None
    own_version: int | None = None
    hold_is_open: bool = False


@dataclass(frozen=True, slots=True)
class MinutesUsed:
    """So many ms out of one pool of one account, for the posting at this place (an index into `accepted`), counted by
    the plan of this subscription.
    """

    account_id: str
    pool: str
    amount_ms: int
    subscription_id: str
    place: int


Ignored = None
Judgement = Accepted | Refused | Later | None


@dataclass(slots=True)
class Posting:
    """Everything one transaction writes, and per event what became of it (None: done)."""

    accepted: list[Accepted] = field(default_factory=list)
    minutes: list[MinutesUsed] = field(default_factory=list)
    outcomes: list[Refused | Later | None] = field(default_factory=list)


PricesOf = Callable[[str, int, datetime], InForce | None]


class Judge:
    """Judges the events of one transaction one after the other; later ones see what earlier ones did."""

    def __init__(self, prices_of: PricesOf) -> None:
        self._prices_of = prices_of
        self._posting = Posting()
        self._hashes: dict[tuple[str, str, str], bytes] = {}
        self._told: set[tuple[str, str, str]] = set()
        self._pools: dict[str, tuple[int, int]] = {}

    def judge(self, facts: Sequence[UsageFact], seen: Sequence[Seen]) -> Posting:
        """All of them, in the order given."""
        for fact, state in zip(facts, seen, strict=True):
            judgement = self._judge_one(fact, state)
            if isinstance(judgement, Accepted):
                self._remember(fact)
                self._posting.accepted.append(judgement)
                self._posting.outcomes.append(None)
            else:
                self._posting.outcomes.append(judgement)
        return self._posting

    def _remember(self, fact: UsageFact) -> None:
        self._hashes[fact.identity] = fact.content_hash
        if fact.ref_id is not None:
            self._told.add((fact.account_id, fact.type, fact.ref_id))

    def _judge_one(self, fact: UsageFact, seen: Seen) -> Judgement:
        if not seen.is_known_account:
            return Later("unknown_account", f"there is no account {fact.account_id}")
        known_hash = self._hashes.get(fact.identity, seen.known_hash)
        if known_hash is not None:
            return judge_known(fact, known_hash)
        has_twin = fact.ref_id is not None and (
            seen.has_twin or (fact.account_id, fact.type, fact.ref_id) in self._told
        )
        if has_twin and not fact.is_accepted_twin:
            return Refused("suspected_duplicate", f"{fact.type} of {fact.ref_id} was told before under another id")
        fact.is_accepted_twin = has_twin
        return self._price(fact, seen)

    def _price(self, fact: UsageFact, seen: Seen) -> Judgement:
        plan = plan_then(fact, seen, seen.past)
        if plan is not None:
            needed_ms = minutes_needed_ms(fact.usage, chat_ms=plan.chat_ms)
            if needed_ms is not None:
                return self._take_minutes(fact, seen, plan, needed_ms)
        prices = self._prices_of(fact.account_id, seen.prices_version, fact.occurred_at)
        if prices is None:
            return Refused("destination_not_priced", "no price book was in force at that time")
        charge = _charge_under(prices, fact)
        if isinstance(charge, NotPriced):
            return Refused("destination_not_priced", f"no price for {charge.item} fits this {charge_noun(fact)}")
        is_open = seen.hold_state == "open"
        if charge.quantity == 0:
            return Accepted(fact, "free", None, prices.version, prices.own_version, is_open)
        return Accepted(fact, "posted", _marked(charge, seen), prices.version, prices.own_version, is_open)

    def _take_minutes(self, fact: UsageFact, seen: Seen, plan: Plan, needed_ms: int) -> Accepted:
        is_running = plan.subscription_id == seen.subscription_id
        if is_running and seen.period_end is not None and counted_at(fact) >= seen.period_end:
            return Accepted(fact, "waiting")
        if needed_ms == 0:
            return Accepted(fact, "free", hold_is_open=seen.hold_state == "open")
        included_ms, wallet_ms = self._pools.get(fact.account_id, (seen.included_ms or 0, seen.wallet_ms or 0))
        is_open = seen.subscription_id is not None
        parts = take_ms(needed_ms, is_open=is_open, included_ms=included_ms, wallet_ms=wallet_ms)
        self._pools[fact.account_id] = (included_ms - parts["included"], wallet_ms - parts["wallet"])
        place = len(self._posting.accepted)
        self._posting.minutes += [
            MinutesUsed(fact.account_id, pool, amount_ms, plan.subscription_id, place)
            for pool, amount_ms in parts.items()
            if amount_ms
        ]
        charge = minutes_charge(fact.usage, parts=parts)
        return Accepted(fact, "posted", charge, hold_is_open=seen.hold_state == "open")


def judge_known(fact: UsageFact, known_hash: bytes) -> Refused | None:
    """An id that came before: the same event is ignored, another one under the same id is parked."""
    if known_hash == fact.content_hash:
        return None
    return Refused("id_reused", f"the id {fact.event_id} of {fact.source} came before with another content")


def charge_noun(fact: UsageFact) -> str:
    """`call`, `sms` or `chat`, for a message."""
    return fact.type.partition(".")[0]


def price_ahead(fact: UsageFact, prices_of: PricesOf) -> None:
    """Price a call, message or chat before its account is locked, as if the account had no prices of its own; under
    the lock the versions are compared, and whatever has another is priced anew."""
    prices = prices_of(fact.account_id, 0, fact.occurred_at)
    if prices is not None:
        fact.priced = prices.version, charge_for(fact.usage, type=fact.type, book=prices.book, at=fact.occurred_at)


def _charge_under(prices: InForce, fact: UsageFact) -> Charge | NotPriced:
    if fact.priced is not None and prices.own_version is None and fact.priced[0] == prices.version:
        return fact.priced[1]
    return charge_for(fact.usage, type=fact.type, book=prices.book, at=fact.occurred_at)


def _marked(charge: Charge, seen: Seen) -> Charge:
    """Usage beyond its hold is charged in full and marked `overrun`; usage without one is marked `unheld`."""
    if seen.hold_state not in ("open", "orphaned"):
        return charge._replace(metadata={**charge.metadata, "unheld": True})
    assert seen.hold_amount_micros is not None
    if charge.amount_micros > seen.hold_amount_micros:
        return charge._replace(metadata={**charge.metadata, "overrun": True})
    return charge
