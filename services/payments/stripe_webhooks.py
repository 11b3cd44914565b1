"""Stripe's signature on a webhook: over the raw bytes, by any of our secrets, made just now."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson
import stripe

from services.payments import stripe_facts as facts
from services.payments.provider import BadSignature, NotAnEvent, ToldEvent

TOLERANCE_SECONDS = 300
ID_LENGTH_MAX = 255
_TIMESTAMP = re.compile(r"(?:^|,)t=(\d{1,12})(?:,|$)")


def read_webhook(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now: Sequence[datetime]
) -> ToldEvent | None:
    """The event of a webhook. Raises `BadSignature` for one that was not signed within 300 s of any of `now`, and
    `NotAnEvent` for a body that was, and is none.

    Stripe's own check takes timestamps of the future and empty secrets; both are refused here (failure mode 20).
    """
    signature = headers.get("stripe-signature", "")
    _require_fresh(signature, now)
    if not any(_is_signed(body, signature, secret) for secret in secrets):
        raise BadSignature("no signature fits")
    try:
        content = orjson.loads(body)
    except ValueError as error:
        raise NotAnEvent(str(error), is_json=False) from error
    try:
        told = facts.told_event(stripe.Event.construct_from(content, key=None))
        if told is not None and not (_is_id(told.event_id) and _is_id(told.object_id)):
            raise ValueError("ids are text")
        return told
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise NotAnEvent(repr(error), is_json=True) from error


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= ID_LENGTH_MAX and value.isascii() and value.isprintable()


def _require_fresh(signature: str, now: Sequence[datetime]) -> None:
    match = _TIMESTAMP.search(signature)
    if match is None:
        raise BadSignature("no timestamp")
    if all(abs(moment.timestamp() - int(match[1])) > TOLERANCE_SECONDS for moment in now):
        raise BadSignature("stale, or from the future")


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body.decode("utf-8"), signature, secret, tolerance=None))
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
