"""Faults on webhooks: which deliveries are lost, doubled, late, out of order, stale or badly signed."""

from dataclasses import dataclass
from typing import Literal

WebhookAction = Literal["drop", "duplicate", "delay", "shuffle", "stale", "bad_sig"]


@dataclass
class WebhookFault:
    """One rule, met by the first try of a delivery. `types` may end with `*`.

    drop       never sent, and Stripe believes it was
    duplicate  sent `copies` times
    delay      sent `seconds` later
    shuffle    sent at a random time within `seconds`, so that order is lost
    stale      the signature's timestamp is `seconds` (default 600) old; the retry is good
    bad_sig    signed with another secret; the retry is good
    """

    action: WebhookAction
    types: list[str]
    skip: int = 0
    times: int | None = None
    seconds: float = 1.0
    copies: int = 2
    hits: int = 0

    def matches(self, kind: str) -> bool:
        return self.times != 0 and any(
            kind == wanted or (wanted.endswith("*") and kind.startswith(wanted[:-1])) for wanted in self.types
        )


class WebhookFaults:
    def __init__(self) -> None:
        self.rules: list[WebhookFault] = []

    def take(self, kind: str) -> WebhookFault | None:
        for rule in self.rules:
            if not rule.matches(kind):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.hits += 1
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
