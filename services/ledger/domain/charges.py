"""What one usage event costs: rating for wallet accounts, minutes for clients with a plan. Pure."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from shared.clock import rfc3339
from shared.contracts.usage_v1 import CallEnded, ChatMessage, SmsTransferred, Usage
from shared.money import usd_exact
from shared.rating.compiled import CompiledBook
from shared.rating.cost import NotPriced, Rated, components_json, rate_call, rate_chat, rate_sms
from shared.rating.describe import describe_call, describe_chat, describe_sms

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000


class Charge(NamedTuple):
    """What one usage event takes from the wallet, and how to say it. `quantity` 0 means nothing was used."""

    amount_micros: int
    quantity: int
    reason: str
    reference_type: str
    reference_id: str
    description: str
    metadata: dict[str, Any]


def charge_for(usage: Usage, *, type: str, book: CompiledBook, at: datetime) -> Charge | NotPriced:
    """Price one call, message or chat under the book in force `at` that moment."""
    rated = rate(usage, type=type, book=book, at=at)
    return rated if isinstance(rated, NotPriced) else _charge(usage, rated)


def rate(usage: Usage, *, type: str, book: CompiledBook, at: datetime) -> Rated | NotPriced:
    """The bare price, for a quote as well."""
    if isinstance(usage, CallEnded):
        talk_seconds = usage.talk_seconds
        return rate_call(
            book=book,
            direction=usage.direction,
            to=usage.to,
            at=at,
            talk_seconds=talk_seconds,
            recorded_seconds=usage.recorded_seconds or 0 if talk_seconds else 0,
            tier=usage.tier,
        )
    if isinstance(usage, SmsTransferred):
        direction = "outbound" if type == "sms.sent" else "inbound"
        return rate_sms(book=book, direction=direction, to=usage.to, at=at, segments=usage.segments, tier=usage.tier)
    assert isinstance(usage, ChatMessage)
    return rate_chat(book=book, at=at, messages=usage.messages, tier=usage.tier)


def _charge(usage: Usage, rated: Rated) -> Charge:
    reason, reference_type, reference_id, quantity, facts = _facts(usage)
    description, components = _shown(reason, rated)
    return Charge(
        amount_micros=rated.total_micros,
        quantity=quantity,
        reason=reason,
        reference_type=reference_type,
        reference_id=reference_id,
        description=description,
        metadata={"components": components, "total_usd": usd_exact(rated.total_micros), **facts},
    )


@lru_cache(maxsize=4096)
def _shown(reason: str, rated: Rated) -> tuple[str, orjson.Fragment]:
    """The description, and the components as JSON: the same few quantities at the same few prices come again and
    again."""
    describe = {"call": describe_call, "sms": describe_sms, "chat": describe_chat}[reason]
    return describe(rated), orjson.Fragment(orjson.dumps(components_json(rated)))


def minutes_charge(usage: Usage, *, parts: dict[str, int]) -> Charge:
    """A call or chat that minutes of a plan paid for: no money; `parts` says how many ms came from which pool. What was
    told late is billable to those who read it.
    """
    reason, reference_type, reference_id, quantity, facts = _facts(usage)
    seconds, ms = divmod(abs(sum(parts.values())), MS_PER_SECOND)
    title = "Call" if reason == "call" else "Chat"
    return Charge(
        amount_micros=0,
        quantity=quantity,
        reason=reason,
        reference_type=reference_type,
        reference_id=reference_id,
        description=f"{title} on plan: {seconds}{f'.{ms:03d}' if ms else ''} seconds",
        metadata={"components": [], "total_usd": usd_exact(0), "minute_pools_ms": _shown_parts(parts), **facts},
    )


def _shown_parts(parts: dict[str, int]) -> dict[str, int]:
    names = ("included", "wallet", "billable")
    shown = {name: parts.get(name, 0) for name in names}
    shown["billable"] += parts.get("late", 0)
    return shown


def minutes_needed_ms(usage: Usage, *, chat_ms: int | None) -> int | None:
    """What this usage takes from a plan's minutes; None when it is paid in money (contract §7, Usage)."""
    if isinstance(usage, CallEnded):
        return usage.talk_seconds * MS_PER_SECOND
    if isinstance(usage, ChatMessage) and chat_ms is not None:
        return usage.messages * chat_ms
    return None


def allocate_ms(needed_ms: int, *, included_ms: int, wallet_ms: int) -> dict[str, int]:
    """Split over the pools: included first, then the minute wallet, the rest is billable (contract §7)."""
    assert needed_ms >= 0 <= min(included_ms, wallet_ms)
    from_included = min(needed_ms, included_ms)
    from_wallet = min(needed_ms - from_included, wallet_ms)
    return {
        "included": from_included,
        "wallet": from_wallet,
        "billable": needed_ms - from_included - from_wallet,
    }


def _facts(usage: Usage) -> tuple[str, str, str, int, dict[str, Any]]:
    """(reason, reference type, reference id, quantity, what a statement shows of it)."""
    if isinstance(usage, CallEnded):
        facts = {
            "direction": usage.direction,
            "from": usage.from_,
            "to": usage.to,
            "status": usage.status,
            "duration_seconds": usage.talk_seconds,
            "started_at": rfc3339(usage.started_at),
            "ended_at": rfc3339(usage.ended_at),
        }
        if usage.tier is not None:
            facts["tier"] = usage.tier
        if usage.agent_id is not None:
            facts["agent_id"] = usage.agent_id
        if usage.recorded_seconds is not None:
            facts["recorded_seconds"] = usage.recorded_seconds
        return "call", "call", usage.call_id, usage.talk_seconds, facts
    if isinstance(usage, SmsTransferred):
        facts = {"from": usage.from_, "to": usage.to, "segments": usage.segments}
        return "sms", "message", usage.message_id, usage.segments, facts
    assert isinstance(usage, ChatMessage)
    chat = {"chat_id": usage.chat_id, "messages": usage.messages}
    return "chat", "chat", usage.chat_id, usage.messages, chat
