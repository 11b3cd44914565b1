"""What must have come of it: the load's own books, kept apart from the ledger's."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

CALL_MICROS_PER_MINUTE = 180_000
"""Voice and telephony of the first price book, each minute begun."""
UNIT_MICROS = 10_000
"""A segment, a chat message."""


def cost_micros(event: dict[str, Any]) -> int:
    """What the first price book takes for it."""
    match event["type"]:
        case "number.rented":
            return 0
        case "call.ended":
            return -(-event["data"]["duration_seconds"] // 60) * CALL_MICROS_PER_MINUTE
        case "sms.sent":
            segments: int = event["data"]["segments"]
            return segments * UNIT_MICROS
    return UNIT_MICROS


@dataclass
class Answers:
    """The gate's answers by what they were, and the slowest, in seconds, as the client saw it and without what kept the
    client itself. No answer is no answer of the gate's; why there was none is in `silences`.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest_without_lag_s: float = 0.0
    silences: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def count(self, status: int | None, seconds: float, own_lag_s: float | None, body: str = "") -> None:
        """`own_lag_s` None: the time it took says nothing of the gate."""
        kind = {200: "allowed", 402: "refused", 503: "503", None: "no answer"}.get(status)
        if kind is None:
            kind = str(status)
            self.wrong.append(f"{status}: {body[:200]}")
        self.kinds[kind] += 1
        if status is not None and own_lag_s is not None:
            self.slowest_s = max(self.slowest_s, seconds)
            self.slowest_without_lag_s = max(self.slowest_without_lag_s, seconds - own_lag_s)


@dataclass
class Model:
    """Everything that was acknowledged to us. Keys of usage are (account, source, id)."""

    credit_micros: dict[str, int] = field(default_factory=dict)
    """What each account was opened with."""
    usage: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Confirmed by the broker or accepted over HTTP, with its cost."""
    unconfirmed: set[tuple[str, str, str]] = field(default_factory=set)
    """Sent and not acknowledged yet."""
    allowed: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(account, kind, ref) → hold id."""
    refused: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(account, kind, ref) → code."""
    released: set[tuple[str, str, str]] = field(default_factory=set)
    topups: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Idempotency key → account, cents; answered with 201."""
    packs: Counter[str] = field(default_factory=Counter)
    """Client → packs applied, each under a key of its own."""
    fees: Counter[str] = field(default_factory=Counter)
    """Account → micros of number fees that have fallen due."""
    answers: Answers = field(default_factory=Answers)
