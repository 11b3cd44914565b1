"""From a body to an ask, and never anything between: what is not exactly right is a 422 that names its path."""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, Protocol

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.gatekeeper.domain.asks import START_SECONDS, Action, Ask
from shared.contracts.checks_v1 import (
    CallCheck,
    CampaignCheck,
    ChatCheck,
    Extension,
    Kind,
    Release,
    SmsCheck,
)
from shared.contracts.fields_v1 import is_caller_id
from shared.http_errors import invalid_request
from shared.rating.segments import segment_count


class Validator(Protocol):
    """Raises pydantic's ValidationError."""

    def validate_python(self, value: Any, /) -> Any: ...


ID_FIELDS: Final[Mapping[Kind, str]] = {
    "call": "call_id",
    "sms": "message_id",
    "chat": "message_id",
    "campaign": "campaign_id",
}


def read_check(kind: Kind, value: Any) -> Ask:
    """A check of contract §2 from its decoded body. Raises 422 `invalid_request`."""
    ask = _READERS[kind](value)
    ask.asked_account_id = value["account_id"]
    ask.asked_ref_id = value[ID_FIELDS[kind]]
    return ask


def read_extension(call_id: str, value: Any) -> Ask:
    """Body of `…/call/{call_id}/extend`."""
    _require_id("call_id", call_id)
    body = _validated(_EXTENSION, value)
    return _ask("call", "extend", body.account_id, call_id, value, quantity=max(body.seconds, START_SECONDS))


def read_release(kind: Kind, ref_id: str, value: Any) -> Ask:
    """Body of `…/{kind}/{id}/release`."""
    _require_id(ID_FIELDS[kind], ref_id)
    body = _validated(_RELEASE, value)
    return _ask(kind, "release", body.account_id, ref_id, value)


def _ask(kind: Kind, action: Action, account_id: str, ref_id: str, value: Any, *, quantity: int = 0) -> Ask:
    return Ask(kind, action, account_id, ref_id, quantity, asked_account_id=value["account_id"], asked_ref_id=ref_id)


def _require_id(path: str, text: str) -> None:
    if not is_caller_id(text):
        raise invalid_request([(path, "must be 1 to 128 letters, digits and _.:+@;=-")])


def _validated(validator: Validator, value: Any) -> Any:
    try:
        return validator.validate_python(value)
    except ValidationError as error:
        raise invalid_request(_faults(error)) from None


def _faults(error: ValidationError) -> list[tuple[str, str]]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")) for fault in found[:20]]


def _read_call(value: Any) -> Ask:
    body: CallCheck = _validated(_CALL, value)
    request = {
        "direction": body.direction,
        "from": body.from_,
        "to": body.to,
        "tier": body.tier,
        "recorded": body.recorded is True,
        "number_id": body.number_id,
        "seconds": body.seconds,
    }
    ask = Ask(
        "call",
        "check",
        body.account_id,
        body.call_id,
        body.seconds if body.seconds > START_SECONDS else START_SECONDS,
        body.direction,
        body.from_,
        body.to,
        body.tier,
        body.recorded is True,
        body.number_id,
        _own_number(body),
    )
    return _sealed(ask, request)


def _read_sms(value: Any) -> Ask:
    body: SmsCheck = _validated(_SMS, value)
    segments = body.segments or (1 if body.text is None else segment_count(body.text))
    request = {
        "direction": body.direction,
        "from": body.from_,
        "to": body.to,
        "tier": body.tier,
        "number_id": body.number_id,
        "segments": segments,
        "text": None if body.text is None else blake2b(body.text.encode(), digest_size=16).hexdigest(),
    }
    ask = Ask(
        "sms",
        "check",
        body.account_id,
        body.message_id,
        segments,
        body.direction,
        body.from_,
        body.to,
        body.tier,
        False,
        body.number_id,
        _own_number(body),
    )
    return _sealed(ask, request)


def _read_chat(value: Any) -> Ask:
    body: ChatCheck = _validated(_CHAT, value)
    ask = Ask("chat", "check", body.account_id, body.message_id, body.messages)
    return _sealed(ask, {"messages": body.messages})


def _read_campaign(value: Any) -> Ask:
    body: CampaignCheck = _validated(_CAMPAIGN, value)
    return Ask("campaign", "check", body.account_id, body.campaign_id, START_SECONDS, to=body.to, tier=body.tier)


def _sealed(ask: Ask, request: dict[str, Any]) -> Ask:
    """With the canonical body: what is kept of it."""
    ask.request = orjson.dumps(request).decode()
    return ask


def _own_number(body: CallCheck | SmsCheck) -> str | None:
    """The customer's own number as numbers are kept: E.164 with its plus. None for a name."""
    own = body.from_ if body.direction == "outbound" else body.to
    if own[0] == "+" and own[1:].isdigit():
        return own
    digits = "".join(char for char in own if char.isdigit())
    return f"+{digits}" if digits else None


def _compiled(model: type[BaseModel]) -> Validator:
    """The compiled validator itself: the model's own methods cost as much again."""
    return TypeAdapter(model).validator


_CALL = _compiled(CallCheck)
_SMS = _compiled(SmsCheck)
_CHAT = _compiled(ChatCheck)
_CAMPAIGN = _compiled(CampaignCheck)
_EXTENSION = _compiled(Extension)
_RELEASE = _compiled(Release)
_READERS: Final[Mapping[Kind, Callable[[Any], Ask]]] = {
    "call": _read_call,
    "sms": _read_sms,
    "chat": _read_chat,
    "campaign": _read_campaign,
}
