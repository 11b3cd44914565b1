"""What a platform asks the gate, version 1: the bodies of contract §2, the same over HTTP and RabbitMQ.

`BODIES` maps a kind of check to its model.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.contracts.fields_v1 import CallerId, Strict
from shared.contracts.usage_v1 import SECONDS_MAX, Direction, PhoneNumber, Sender, Tier, Units

Kind = Literal["call", "sms", "chat", "campaign"]
WantedSeconds = Annotated[int, Field(ge=1, le=SECONDS_MAX)]
MessageText = Annotated[str, StringConstraints(max_length=20_000)]


class CallCheck(Strict):
    """May this call start? Below 60, `seconds` counts as 60."""

    account_id: CallerId
    call_id: CallerId
    direction: Direction
    from_: Sender = Field(alias="from")
    to: PhoneNumber
    tier: Tier | None = None
    recorded: bool | None = None
    number_id: CallerId | None = None
    seconds: WantedSeconds = 60


class SmsCheck(Strict):
    """May this message be sent or taken? Its segments are told, or counted from its `text`."""

    account_id: CallerId
    message_id: CallerId
    direction: Direction
    from_: Sender = Field(alias="from")
    to: PhoneNumber
    tier: Tier | None = None
    number_id: CallerId | None = None
    segments: Units | None = None
    text: MessageText | None = None

    @model_validator(mode="after")
    def _counted_once(self) -> "SmsCheck":
        if self.segments is not None and self.text is not None:
            raise ValueError("give segments or text, not both")
        return self


class ChatCheck(Strict):
    """May so many chat messages be answered?"""

    account_id: CallerId
    message_id: CallerId
    messages: Units = 1


class CampaignCheck(Strict):
    """May this campaign start? Nothing is held for it."""

    account_id: CallerId
    campaign_id: CallerId
    to: PhoneNumber | None = None
    tier: Tier | None = None


class Extension(Strict):
    """`seconds` is the total wanted from the start of the call."""

    account_id: CallerId
    seconds: WantedSeconds


class Release(Strict):
    """The call or message will not happen, or nobody knows whether the check arrived."""

    account_id: CallerId


BODIES: Final[Mapping[Kind, type[CallCheck | SmsCheck | ChatCheck | CampaignCheck]]] = {
    "call": CallCheck,
    "sms": SmsCheck,
    "chat": ChatCheck,
    "campaign": CampaignCheck,
}
