"""Ticks, version 1: the scheduler says that something is due (contract §3). Twice or late changes nothing."""

from typing import Final, Literal

from shared.contracts.fields_v1 import Instant, Strict

TickName = Literal["number_fees", "recharge", "holds", "renewals", "due_dates", "reconcile", "audit"]
TICK_NAMES: Final[tuple[TickName, ...]] = (
    "number_fees",
    "recharge",
    "holds",
    "renewals",
    "due_dates",
    "reconcile",
    "audit",
)


class Tick(Strict):
    """What was due at `due_at`; who hears it looks at the present, not at this."""

    due_at: Instant


def tick_type(name: TickName) -> str:
    """The event type, which is the routing key too: `tick.holds`."""
    return f"tick.{name}"
