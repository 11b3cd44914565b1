"""From what a platform sent to a fact that can be posted, or the reason why not. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import ValidationError

from services.ledger.domain.charges import Charge
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
from shared.rating.cost import NotPriced

FUTURE_MAX: Final = timedelta(minutes=5)
FIELDS_SHOWN_MAX: Final = 5

_MESSAGES: Final = (SmsTransferred, ChatMessage)
_ID_FIELDS: Final = ("account_id", "call_id", "message_id", "chat_id", "number_id", "agent_id")
_OWN_IDS: Final = frozenset({"call_id", "message_id", "chat_id", "number_id"})


@dataclass(frozen=True, slots=True)
class Refused:
    """This event can't be posted, now or ever: what goes into the dead letter's headers."""

    reason: str
    detail: str


@dataclass(slots=True)
class UsageFact:
    """One usage event, checked. `ref_id` is the call or message it is about, None where it names none.
    `data_json` is its data as JSON with sorted keys. `identity` makes it unique for ever.
    `occurred_at` decides the price, `stated_at` which of several corrections is in force.
    `integer_ids`: those of its ids that came as JSON integers, and are shown so.
    `is_accepted_twin`: a person has looked at it and said bill it. `written`: kept for the store, which made it.
    `priced`: a version of the price book, and what the event costs an account without prices of its own under it.
    """

    source: str
    event_id: str
    type: str
    usage: Usage
    data: dict[str, Any]
    data_json: bytes
    content_hash: bytes
    occurred_at: datetime
    stated_at: datetime
    account_id: str
    ref_id: str | None
    identity: tuple[str, str, str]
    integer_ids: tuple[str, ...] = ()
    is_accepted_twin: bool = False
    written: tuple[str, ...] = ()
    priced: tuple[int, Charge | NotPriced] | None = None

    @property
    def settled_id(self) -> str | None:
        """How balance news names what was settled."""
        return self.usage.chat_id if isinstance(self.usage, ChatMessage) and not self.ref_id else self.ref_id


def _ref_id(usage: Usage) -> str | None:
    if isinstance(usage, CallEnded):
        return usage.call_id
    if isinstance(usage, _MESSAGES):
        return usage.message_id
    return None


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
    data = envelope.data
    assert isinstance(data, dict)
    numbers = {name: str(data[name]) for name in _ID_FIELDS if isinstance(data.get(name), int)}
    if numbers:
        data = data | numbers
    data_json = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    stated_at = envelope.time or received_at
    return UsageFact(
        source=envelope.source,
        event_id=envelope.id,
        type=envelope.type,
        usage=usage,
        data=data,
        data_json=data_json,
        content_hash=_content_hash(envelope.type, data_json),
        occurred_at=_occurred_at(usage, stated_at),
        stated_at=stated_at,
        account_id=usage.account_id,
        ref_id=_ref_id(usage),
        identity=(usage.account_id, envelope.source, envelope.id),
        integer_ids=tuple(text for name, text in numbers.items() if name in _OWN_IDS),
    )


def _content_hash(type: str, data_json: bytes) -> bytes:
    """Equal for equal type and data, whatever the order of the keys; an integer id equals its decimal string."""
    return hashlib.blake2b(b"[%b,%b]" % (orjson.dumps(type), data_json), digest_size=16).digest()


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
