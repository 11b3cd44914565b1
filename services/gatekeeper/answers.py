"""Outcomes as the outside reads them: an HTTP status and a body, the same over RabbitMQ with `status` added."""

from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from services.gatekeeper.domain.asks import Ask
from services.gatekeeper.domain.outcomes import (
    Allowed,
    CampaignAllowed,
    Failed,
    LockedOut,
    Outcome,
    Refusal,
    Refused,
    Released,
)
from services.gatekeeper.domain.state import Hold
from services.gatekeeper.requests import ID_FIELDS
from shared.clock import rfc3339
from shared.http_errors import ApiError
from shared.money import cents_ceil, cents_floor, usd_number, usd_text

SEND_MESSAGE: Final = "Wallet balance below minimum to send message"
GRANTED: Final = {"call": "granted_seconds", "sms": "granted_segments", "chat": "granted_messages"}
RATE: Final = {"call": "rate_usd_per_minute", "sms": "rate_usd_per_segment", "chat": "rate_usd_per_message"}


@dataclass(slots=True)
class Answer:
    """Status and body; of an error the request id is still missing (the edge that answers adds it)."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


UNAVAILABLE_CODE: Final = "billing_unavailable"
UNAVAILABLE: Final = Answer(
    503,
    {"error": {"code": UNAVAILABLE_CODE, "message": "The books are out of reach; try again."}},
    {"Retry-After": "1"},
)


def answer_of(ask: Ask, outcome: Outcome) -> Answer:
    """The one place that gives an outcome its HTTP shape."""
    match outcome:
        case Allowed():
            return Answer(200, _allowed(ask, outcome.hold))
        case Refused():
            return Answer(402, {"error": refusal_json(ask, outcome)})
        case Released():
            return Answer(200, {"status": outcome.status})
        case CampaignAllowed():
            return Answer(200, _campaign(outcome))
        case Failed():
            return Answer(outcome.status, {"error": {"code": outcome.code, "message": outcome.message}})
        case LockedOut():
            return UNAVAILABLE
        case _:
            assert_never(outcome)


def answer_of_error(error: ApiError) -> Answer:
    """A refusal of the edge (400, 401, 413, 422, …) in the same shape."""
    return Answer(error.status, error.body(None), error.headers)


def _allowed(ask: Ask, hold: Hold) -> dict[str, Any]:
    held_cents = cents_ceil(hold.amount_micros)
    body = {
        "decision": "allow",
        "hold_id": hold.hold_id,
        GRANTED[ask.kind]: hold.granted,
        "held_usd": usd_text(held_cents),
        "held_cents": held_cents,
        RATE[ask.kind]: hold.rate_usd,
        "expires_at": rfc3339(hold.expires_at),
    }
    if ask.kind == "call":
        body["final"] = hold.is_final
    return body


def _campaign(outcome: CampaignAllowed) -> dict[str, Any]:
    required, available = cents_ceil(outcome.required_micros), cents_floor(outcome.available_micros)
    return {
        "decision": "allow",
        "required_usd": usd_text(required),
        "required_cents": required,
        "available_usd": usd_text(available),
        "available_cents": available,
    }


def refusal_json(ask: Ask, outcome: Refused) -> dict[str, Any]:
    """The error object of a 402; money as JSON numbers of up to six decimals."""
    refusal = outcome.refusal
    is_message = refusal is Refusal.INSUFFICIENT_BALANCE and ask.kind in ("sms", "chat")
    return {
        "code": refusal.code,
        "message": SEND_MESSAGE if is_message else refusal.message,
        "balance_usd": usd_number(outcome.balance_micros),
        "available_usd": usd_number(outcome.available_micros),
        "required_usd": usd_number(outcome.required_micros),
        **outcome.details,
    }


def event_of(ask: Ask, outcome: Outcome) -> tuple[str, dict[str, Any]] | None:
    """Type and data of the event this outcome leaves: every 402, and an allowed check nobody waits for."""
    if isinstance(outcome, Refused):
        data = {**_names(ask), **refusal_json(ask, outcome)}
        return f"{ask.kind}_rejected_{outcome.refusal.event_suffix}", data
    if ask.tells and isinstance(outcome, Allowed | CampaignAllowed):
        return f"{ask.kind}_authorized", {**_names(ask), **answer_of(ask, outcome).body}
    return None


def _names(ask: Ask) -> dict[str, Any]:
    """Whose and which check it was, ids as they were sent."""
    names: dict[str, Any] = {
        "account_id": ask.asked_account_id,
        ID_FIELDS[ask.kind]: ask.asked_ref_id,
        "direction": ask.direction,
        "from": ask.from_,
        "to": ask.to,
        "number_id": ask.number_id,
    }
    return {name: value for name, value in names.items() if value is not None}
