"""Which plan a call or chat is counted by: the one that ran as it ended, however late it is told. Pure (contract §7).

Usage "counts in the period of `ended_at`, or in the open one when that is closed":
    the plan that ran then still runs   → its open period; not open yet → it waits
    it has stopped, another one runs    → the period that is open now
    it has stopped, none runs           → the minute wallet, the rest is `late`: billable for the plan that has stopped
    none ran                            → money, whatever runs now
"""

from datetime import datetime
from typing import NamedTuple, Protocol

from services.ledger.domain.charges import allocate_ms
from services.ledger.domain.usage import UsageFact
from shared.contracts.usage_v1 import CallEnded, ChatMessage


class Plan(NamedTuple):
    """A plan that ran at some moment. `chat_ms` None: chats are paid in money."""

    subscription_id: str
    chat_ms: int | None


class Present(Protocol):
    """What the books say of the account's minutes now. `subscription_id` None: no period is open; `wallet_ms` None:
    it never had minutes."""

    @property
    def subscription_id(self) -> str | None: ...
    @property
    def counts_from(self) -> datetime | None: ...
    @property
    def chat_ms(self) -> int | None: ...
    @property
    def wallet_ms(self) -> int | None: ...


def counted_at(fact: UsageFact) -> datetime:
    """The moment whose period and plan count: the end of a call, the time of a chat."""
    return fact.usage.ended_at if isinstance(fact.usage, CallEnded) else fact.occurred_at


def needs_history(fact: UsageFact, present: Present) -> bool:
    """Whether another plan than the present one may have run then. Accounts that never had minutes have no history."""
    if present.wallet_ms is None or not isinstance(fact.usage, CallEnded | ChatMessage):
        return False
    return present.subscription_id is None or _is_before(fact, present)


def plan_then(fact: UsageFact, present: Present, past: Plan | None) -> Plan | None:
    """The plan it is counted by; `past` is what the history says, where it was needed."""
    if present.subscription_id is None or _is_before(fact, present):
        return past
    return Plan(present.subscription_id, present.chat_ms)


def _is_before(fact: UsageFact, present: Present) -> bool:
    return present.counts_from is not None and counted_at(fact) < present.counts_from


def take_ms(needed_ms: int, *, is_open: bool, included_ms: int, wallet_ms: int) -> dict[str, int]:
    """Split over the pools that are there: with a period open included → wallet → billable, else wallet → late."""
    parts = allocate_ms(needed_ms, included_ms=included_ms if is_open else 0, wallet_ms=wallet_ms)
    if not is_open:
        parts["late"] = parts.pop("billable")
    return parts
