"""The bodies of the control plane, strictly read."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .faults import Action, When
from .webhook_faults import WebhookAction


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FaultRule(_Command):
    """See faults.py for what each field means."""

    path: str
    method: str | None = None
    when: When = "before"
    action: Action = "status"
    skip: int = Field(0, ge=0)
    times: int | None = Field(1, ge=1)
    seconds: float | None = Field(None, ge=0)
    status: int = Field(500, ge=200, le=599)
    error: dict[str, Any] = {}
    headers: dict[str, str] = {}
    keep_effect: bool = False


class WebhookFaultRule(_Command):
    """See webhook_faults.py for what each field means."""

    action: WebhookAction
    types: list[str] = ["*"]
    skip: int = Field(0, ge=0)
    times: int | None = Field(None, ge=1)
    seconds: float = Field(1.0, ge=0)
    copies: int = Field(2, ge=1, le=50)
    seed: int | None = None


class MoveClock(_Command):
    advance_seconds: float | None = Field(None, ge=0)
    now: datetime | None = None


class ExpireIdempotency(_Command):
    key: str | None = None


class Redeliver(_Command):
    """Send again: one event, or all of a type (None: all)."""

    event: str | None = None
    type: str | None = None
    copies: int = Field(1, ge=1, le=50)


class OpenDispute(_Command):
    """Of a charge (`ch_…`) or a payment intent's charge (`pi_…`); `escalate` an inquiry (`du_…`) instead."""

    charge: str | None = None
    payment_intent: str | None = None
    escalate: str | None = None
    amount: int | None = Field(None, ge=1)
    reason: str = "fraudulent"
    inquiry: bool = False


class CloseDispute(_Command):
    dispute: str
    status: Literal["won", "lost", "warning_closed"] = "lost"


class FailRefund(_Command):
    """`outcome` succeeded completes a pending refund."""

    refund: str
    reason: str = "expired_or_canceled_card"
    outcome: Literal["failed", "succeeded"] = "failed"


class SetCard(_Command):
    """`card`: a name from cards.py, e.g. `visa`, `chargeDeclinedInsufficientFunds`; brand and last4 stay."""

    payment_method: str
    card: str
    set_up: bool | None = None


class RollSecret(_Command):
    endpoint: str | None = None
    overlap_seconds: int = Field(24 * 3600, ge=0)


class Authenticate(_Command):
    """What the customer does on the 3-D Secure page of `pi_…` or `seti_…`."""

    intent: str
    outcome: Literal["complete", "fail"] = "complete"


class Idle(_Command):
    timeout_seconds: float = Field(10.0, ge=0, le=120)
