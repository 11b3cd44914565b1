"""From what a platform sent to a fact that can be posted, or the reason why not. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import ValidationError

from shared.contracts.usage_v1 import (
    MODELS,
    CallEnded,
    ChatMessage,
    NumberChanged,
    SmsTransferred,
    Usage,
    UsageAdjusted,
)
from shared.messaging.cloudevents import CloudEvent, InvalidEnvelope, parse_envelope

FUTURE_MAX: Final = timedelta(minutes=5)
FIELDS_SHOWN_MAX: Final = 5

_ID_FIELDS: Final = ("account_id", "call_id", "message_id", "chat_id", "number_id", "agent_id")


@dataclass(frozen=True, slots=True)
class Refused:
    """This event can't be posted, now or ever: what goes into the dead letter's headers."""

    reason: str
    detail: str


@dataclass(slots=True)
class UsageFact:
    """One usage event, checked. `ref_id` is the call or message it is about, None where it names none.
    `occurred_at` decides the price, `stated_at`
       which of several corrections is in force. `is_accepted_twin`: a person has looked at it and said bill it.
    """

    source: str
    event_id: str
    type: str
    usage: Usage
    data: dict[str, Any]
    content_hash: bytes
    occurred_at: datetime
    stated_at: datetime
    is_accepted_twin: bool = False

    @property
    def account_id(self) -> str:
        return self.usage.account_id

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it unique for ever."""
        return (self.usage.account_id, self.source, self.event_id)

    @property
    def ref_id(self) -> str | None:
        usage = self.usage
        if isinstance(usage, CallEnded):
            return usage.call_id
        if isinstance(usage, SmsTransferred | ChatMessage):
            return usage.message_id
        return None

    @property
    def settled_id(self) -> str | None:
        """How balance news names what was settled."""
        return self.usage.chat_id if isinstance(self.usage, ChatMessage) and not self.ref_id else self.ref_id


def read_usage(element: object, *, received_at: datetime) -> UsageFact | Refused:
    """Check one CloudEvent of usage. An event without a time happened when it was received."""
    try:
        envelope = parse_envelope(element)
    except InvalidEnvelope as error:
        return Refused("invalid_event", str(error))
    model = MODELS.get(envelope.type)
    if model is None:
        return Refused("unknown_type", f"there is no usage event of type {envelope.type[:64]!r}")
    try:
        usage = model.model_validate(envelope.data)
    except ValidationError as error:
        return Refused("invalid_event", _readable(error))
    fact = _fact(envelope, usage, received_at)
    if latest_instant(fact) > received_at + FUTURE_MAX:
        return Refused("future_time", "the usage lies more than 5 minutes in the future")
    return fact


def stored_usage(*, source: str, event_id: str, type: str, data: Any, stated_at: datetime) -> UsageFact:
    """A fact that was accepted earlier and is taken up again."""
    usage = MODELS[type].model_validate(data)
    return _fact(CloudEvent(event_id, source, type, stated_at, None, data), usage, stated_at)


def _fact(envelope: CloudEvent, usage: Usage, received_at: datetime) -> UsageFact:
    assert isinstance(envelope.data, dict)
    stated_at = envelope.time or received_at
    data = {**envelope.data, **{name: str(envelope.data[name]) for name in _ID_FIELDS if name in envelope.data}}
    return UsageFact(
        source=envelope.source,
        event_id=envelope.id,
        type=envelope.type,
        usage=usage,
        data=data,
        content_hash=_content_hash(envelope.type, data),
        occurred_at=_occurred_at(usage, stated_at),
        stated_at=stated_at,
    )


def _content_hash(type: str, data: dict[str, Any]) -> bytes:
    """Equal for equal type and data, whatever the order of the keys; an integer id equals its decimal string."""
    return hashlib.blake2b(orjson.dumps([type, data], option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def _occurred_at(usage: Usage, stated_at: datetime) -> datetime:
    if isinstance(usage, CallEnded):
        return usage.priced_at
    if isinstance(usage, NumberChanged):
        return usage.at
    return stated_at


def latest_instant(fact: UsageFact) -> datetime:
    """The latest moment the event speaks of."""
    if isinstance(fact.usage, CallEnded):
        return max(fact.usage.ended_at, fact.usage.priced_at, fact.usage.started_at)
    if isinstance(fact.usage, UsageAdjusted):
        return fact.stated_at
    return fact.occurred_at


def _readable(error: ValidationError) -> str:
    """`duration_seconds: Input should be less than or equal to 86400; …`, without the values."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{'.'.join(map(str, fault['loc'])) or 'data'}: {fault['msg']}" for fault in faults[:FIELDS_SHOWN_MAX]]
    return "; ".join(shown)
