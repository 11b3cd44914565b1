"""Checks beyond the books, for `ringfence audit`: each compares them with something PostgreSQL can't see.

A new one is a value in EXTRA_CHECKS: payments compares charges and credits with its provider (contract §9.4).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.commands.audit_payments import INVARIANT, compare_with_provider
from shared.postgres.audit import Finding

Check = Callable[[Mapping[str, str]], Awaitable[Sequence[Finding] | None]]
"""Gets the known environment (RINGFENCE_*, STRIPE_API_KEY); answers what is not right, None when there is nothing to
compare with in this deployment. Raises what `services.commands.failures` expects when it could not check."""


@dataclass(frozen=True)
class ExtraCheck:
    """`name` reads as a sentence after the service: "payments: every charge has its credit"."""

    name: str
    run: Check


EXTRA_CHECKS: Final = (ExtraCheck(f"payments: {INVARIANT}", compare_with_provider),)
