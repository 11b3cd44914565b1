"""How numbers and times read on a page."""

from collections.abc import Callable, Mapping
from typing import Any

MINUS = "\N{MINUS SIGN}"


def money(cents: int) -> str:
    """1234567 → "$12,345.67"; with a true minus sign."""
    whole, rest = divmod(abs(cents), 100)
    return f"{MINUS if cents < 0 else ''}${whole:,}.{rest:02d}"


FILTERS: Mapping[str, Callable[..., Any]] = {"money": money}
