"""Faults on the API: which requests fail, when, and how.

when    before    nothing runs and nothing is kept; the answer is the fault's
        during    the key is in use while the fault waits; `latency` and `hang` then run the request, an answer
                  (`status`, `html`, `reset`, `truncate`) rolls it back and lets the key go
        after     the request runs and is committed, then its answer is lost or replaced
        store500  Stripe's own stored 500: rolled back (or, with `keep_effect`, committed), and the 500 kept
                  under the key, so that every retry replays it
action  latency   wait `seconds`, then go on as if nothing was wrong
        hang      wait `seconds` or until the caller gives up, then close without an answer
        status    answer `status` with Stripe's error body (`error` overrides fields of it)
        html      answer `status` with a proxy's HTML page
        truncate  send the head and half of the body, then close
        reset     reset the connection (TCP RST) without an answer
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

When = Literal["before", "during", "after", "store500"]
Action = Literal["latency", "hang", "status", "html", "truncate", "reset"]


@dataclass
class Fault:
    """One rule. `skip` matching requests pass first, then `times` are hit (None: all of them)."""

    path: str
    when: When
    action: Action
    method: str | None = None
    skip: int = 0
    times: int | None = 1
    seconds: float = 0.0
    status: int = 500
    error: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    keep_effect: bool = False
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        return self.times != 0 and self.method in (None, method) and re.search(self.path, path) is not None

    @property
    def name(self) -> str:
        return f"{self.when} {self.action}"


class Faults:
    """The rules in force, in the order they were given; a request is hit by the first that is due."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []

    def take(self, method: str, path: str) -> Fault | None:
        for rule in self.rules:
            if not rule.matches(method, path):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            rule.hits += 1
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
