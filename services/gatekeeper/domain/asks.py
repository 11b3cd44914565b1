"""What is asked of the gate, in the domain's words."""

from dataclasses import dataclass
from typing import Final, Literal

from shared.contracts.checks_v1 import Kind

Action = Literal["check", "extend", "release"]

START_SECONDS: Final = 60
"""A call needs money for one minute to start; fewer wanted seconds count as so many (contract §2)."""


@dataclass(slots=True)
class Ask:
    """One question. `quantity` is seconds (at least 60), segments or messages.

    `asked_account_id` and `asked_ref_id` are the ids as they were sent: an integer stays one. `request` is the
    canonical body, as JSON: what an extension goes by, and what tells one body from another. `tells` asks for an
    event where nobody waits for the answer.
    """

    kind: Kind
    action: Action
    account_id: str
    ref_id: str
    quantity: int = 0
    direction: str | None = None
    from_: str | None = None
    to: str | None = None
    tier: str | None = None
    recorded: bool = False
    number_id: str | None = None
    number: str | None = None
    request: str | None = None
    asked_account_id: str | int = ""
    asked_ref_id: str | int = ""
    tells: bool = False
