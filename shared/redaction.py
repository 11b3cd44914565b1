"""What must never stand in a log: keys, signatures, passwords, one-use links, card numbers.

Nothing of it is logged on purpose. This is for the text of others: the message of an exception, a URL, a path.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

HIDDEN: Final = "[hidden]"
SECRET_FIELDS: Final = frozenset(
    {
        *("authorization", "proxy_authorization", "cookie", "set_cookie", "csrf_token", "x_csrf_token"),
        *("api_key", "platform_key", "secret", "client_secret", "webhook_secret", "password", "token"),
        *("stripe_signature", "card", "card_number", "cvc", "number_of_card"),
    }
)
"""Whatever is in a field of such a name; `-` counts as `_`."""

GIVEN_SECRETS: Final = ("RINGFENCE_PLATFORM_KEY", "STRIPE_API_KEY", "RINGFENCE_STRIPE_WEBHOOK_SECRET")
GIVEN_URLS: Final = ("RINGFENCE_POSTGRES_URL", "RINGFENCE_AMQP_URL")
GIVEN_LENGTH_MIN: Final = 6

_PATTERNS: Final = (
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',}]+", re.I), rf"\1 {HIDDEN}"),
    (re.compile(r"\brf_[A-Za-z0-9_-]{8,}"), f"rf_{HIDDEN}"),
    (re.compile(r"\b([sr]k_(?:live|test))_\w+"), rf"\1_{HIDDEN}"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), f"whsec_{HIDDEN}"),
    (re.compile(r"\b((?:pi|seti)_\w+?_secret)_\w+"), rf"\1_{HIDDEN}"),
    (re.compile(r"(/signin/)[\w-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(://[^/\s:@]*):[^@\s/]+@"), rf"\1:{HIDDEN}@"),
)
_CARD = re.compile(r"(?<![\w+.-])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w-])")


def hide_secrets(given: Mapping[str, str] = os.environ) -> structlog.typing.Processor:
    """A processor, to be the last before the line is written, when exceptions are text already."""
    known = _known(given)

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return _clean_text(value, known)
        if isinstance(value, Mapping):
            return _clean_fields(value, clean)
        if isinstance(value, list | tuple | set | frozenset):
            return [clean(each) for each in value]
        return value if isinstance(value, int | float | type(None)) else _clean_text(str(value), known)

    def process(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return _clean_fields(event, clean)

    return process


def _known(given: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets this process was given, which may look like anything."""
    secrets = [part.strip() for name in GIVEN_SECRETS for part in given.get(name, "").split(",")]
    secrets += [urlsplit(given.get(name, "")).password or "" for name in GIVEN_URLS]
    return tuple(secret for secret in secrets if len(secret) >= GIVEN_LENGTH_MIN)


def _clean_fields(fields: Mapping[str, Any], clean: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        name: HIDDEN if str(name).lower().replace("-", "_") in SECRET_FIELDS else clean(value)
        for name, value in fields.items()
    }


def _clean_text(text: str, known: tuple[str, ...]) -> str:
    for secret in known:
        text = text.replace(secret, HIDDEN)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return _CARD.sub(_hide_card, text)


def _hide_card(found: re.Match[str]) -> str:
    """Only what has a card's check digit: long numbers are ids, too."""
    digits = [int(character) for character in found[0] if character.isdecimal()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2]]
    return HIDDEN if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else found[0]
