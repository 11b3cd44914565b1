"""Usage events, version 1: what a platform tells us was used (contract §3, In).

Each is the `data` of a CloudEvent; `MODELS` maps its `type` to the model. All quantities are what was used,
not what is billed: increments and minimums are the price book's.
"""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.contracts.fields_v1 import CallerId, Instant, Strict

SECONDS_MAX: Final = 86_400
UNITS_MAX: Final = 10_000

PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9().-]{0,31}$")]
"""As it was dialled, digits with usual punctuation; prices look at the digits only."""

Sender = Annotated[str, StringConstraints(pattern=r"^(\+?[0-9][0-9().-]{0,31}|[A-Za-z0-9_-]{1,32})$")]
"""A number, or a name: an alphanumeric sender id, "anonymous"."""

E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{1,14}$")]
Tier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Direction = Literal["outbound", "inbound"]
TalkSeconds = Annotated[int, Field(ge=0, le=SECONDS_MAX)]
Units = Annotated[int, Field(ge=1, le=UNITS_MAX)]


class CallEnded(Strict):
    """A call is over. `duration_seconds` is talk time from answer; ringing is never billed.

    `failure_reason`: a refusal code of the gate makes a failed call a blocked-usage signal.
    """

    account_id: CallerId
    call_id: CallerId
    direction: Direction
    from_: Sender = Field(alias="from")
    to: PhoneNumber
    tier: Tier | None = None
    number_id: CallerId | None = None
    agent_id: CallerId | None = None
    status: Literal["completed", "failed", "no_answer", "busy"]
    failure_reason: Annotated[str, StringConstraints(max_length=128)] | None = None
    started_at: Instant
    answered_at: Instant | None = None
    ended_at: Instant
    duration_seconds: TalkSeconds
    recorded_seconds: TalkSeconds | None = None

    @model_validator(mode="after")
    def _times_run_forwards(self) -> "CallEnded":
        if self.ended_at < (self.answered_at or self.started_at):
            raise ValueError("ended_at lies before the call was answered or started")
        return self

    @property
    def talk_seconds(self) -> int:
        """What may be billed: nothing for a call that nobody answered, whatever its duration says."""
        if self.status in ("no_answer", "busy") or (self.status == "failed" and self.answered_at is None):
            return 0
        return self.duration_seconds

    @property
    def priced_at(self) -> datetime:
        """The instant whose prices apply."""
        return self.answered_at or self.started_at


class SmsTransferred(Strict):
    """A message was sent or received, in this many segments."""

    account_id: CallerId
    message_id: CallerId
    from_: Sender = Field(alias="from")
    to: Sender
    tier: Tier | None = None
    number_id: CallerId | None = None
    segments: Units


class ChatMessage(Strict):
    """An AI chat answered this many messages. Only a `message_id` lets a twin be told from a second message."""

    account_id: CallerId
    chat_id: CallerId
    message_id: CallerId | None = None
    agent_id: CallerId | None = None
    tier: Tier | None = None
    messages: Units = 1


class NumberChanged(Strict):
    """A number was rented or released at `at`."""

    account_id: CallerId
    number_id: CallerId
    number: E164
    at: Instant


class Reference(Strict):
    """The event that a correction is about."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    id: Annotated[str, StringConstraints(min_length=1, max_length=128)]


class UsageAdjusted(Strict):
    """The right quantities of an earlier event; what is not named stays as it was."""

    account_id: CallerId
    refers_to: Reference
    duration_seconds: TalkSeconds | None = None
    recorded_seconds: TalkSeconds | None = None
    segments: Annotated[int, Field(ge=0, le=UNITS_MAX)] | None = None
    messages: Annotated[int, Field(ge=0, le=UNITS_MAX)] | None = None

    @model_validator(mode="after")
    def _corrects_something(self) -> "UsageAdjusted":
        if not self.quantities:
            raise ValueError("name at least one of duration_seconds, recorded_seconds, segments, messages")
        return self

    @property
    def quantities(self) -> dict[str, int]:
        """The corrected quantities by name."""
        named = {
            "duration_seconds": self.duration_seconds,
            "recorded_seconds": self.recorded_seconds,
            "segments": self.segments,
            "messages": self.messages,
        }
        return {name: value for name, value in named.items() if value is not None}


Usage = CallEnded | SmsTransferred | ChatMessage | NumberChanged | UsageAdjusted

MODELS: Final[dict[str, type[Usage]]] = {
    "call.ended": CallEnded,
    "sms.sent": SmsTransferred,
    "sms.received": SmsTransferred,
    "chat.message": ChatMessage,
    "number.rented": NumberChanged,
    "number.released": NumberChanged,
    "usage.adjusted": UsageAdjusted,
}
