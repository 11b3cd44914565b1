"""Outward events, version 1: the `data` of every CloudEvent on `ringfence.events` (contract §3, Out).

Readers ignore fields they do not know; we add fields, and never rename or remove one within a version.
"""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from shared.contracts.fields_v1 import SentId


class Outward(BaseModel):
    """Every event says whose it is. Other fields may come."""

    model_config = ConfigDict(extra="allow")

    account_id: SentId


class BalanceState(Outward):
    """The state of a balance. `version` rises with every change, so a reader can drop stale news."""

    version: int
    balance_cents: int
    balance_usd: str
    held_cents: int
    available_cents: int
    available_usd: str
    minute_pools: dict[str, int] | None
    status: str


class BalanceChanged(BalanceState):
    """The latest state, the transactions since the last news, and the calls and messages they settled."""

    transactions: list[dict[str, Any]]
    settled: list[SentId]


class StatusChanged(BalanceState):
    """Suspended or reinstated; `by` is "manual" or "billing"."""

    reason: str | None = None
    by: str


class AccountOpened(Outward):
    """A new account, with its sign-up credit if it got one."""


class HoldExpired(Outward):
    """Nobody told what became of this call or message; its money is free again, late usage still charges."""

    hold_id: str
    kind: str
    id: SentId
    granted: int
    held_cents: int
    held_usd: str
    expires_at: str


class NumberFeeCharged(Outward):
    """The fee of one number and period."""

    number_id: SentId
    number: str
    amount_cents: int
    amount_usd: str
    mark: str


class NumberStatusChanged(Outward):
    """A number was suspended or brought back; `by` is "manual" or "billing"."""

    number_id: SentId
    number: str
    by: str


class OpsAnswer(Outward):
    """What became of an operator's command; `code` and `detail` say why it failed."""

    command_id: str
    command_source: str
    command: str
    code: str | None = None
    detail: str | None = None


class CheckOutcome(Outward):
    """A check over RabbitMQ without `reply_to` was allowed; the body is that of contract §2."""


class CheckRejected(Outward):
    """A check was refused with 402; `code` says why."""

    code: str


class ChargeNews(Outward):
    """What became of a charge to a card."""

    amount_cents: int | None = None


class ReloadNews(Outward):
    """What auto-reload did, or why it did not."""


class PaymentMethodNews(Outward):
    """A card came or went."""


class SubscriptionNews(Outward):
    """A client's subscription began, renewed or changed its status."""

    subscription_id: str


class PaymentRequestNews(Outward):
    """A payment request was made, or its status changed."""


class CampaignsNews(Outward):
    """A client's campaigns rest, or go on."""


class IncludedMinutesLow(Outward):
    """90 % of a period's included minutes are used."""

    subscription_id: str
    percent: int


REJECTIONS: Final = (
    "insufficient",
    "suspended",
    "disabled",
    "blocked",
    "overdue",
    "no_subscription",
    "number_suspended",
    "concurrency",
    "spend_limit",
)
CHECK_KINDS: Final = ("call", "sms", "chat", "campaign")

EVENTS: Final[dict[str, type[Outward]]] = {
    "balance_changed": BalanceChanged,
    "balance_low": BalanceState,
    "balance_depleted": BalanceState,
    "balance_recovered": BalanceState,
    "account_opened": AccountOpened,
    "account_suspended": StatusChanged,
    "account_reinstated": StatusChanged,
    **{f"{kind}_authorized": CheckOutcome for kind in CHECK_KINDS},
    **{f"{kind}_rejected_{why}": CheckRejected for kind in CHECK_KINDS for why in REJECTIONS},
    "hold_expired": HoldExpired,
    **dict.fromkeys(
        ("charge_succeeded", "charge_failed", "charge_requires_action", "charge_refunded", "charge_disputed"),
        ChargeNews,
    ),
    **dict.fromkeys(
        ("auto_reload_succeeded", "auto_reload_failed", "auto_reload_paused", "auto_reload_capped"), ReloadNews
    ),
    "payment_method_attached": PaymentMethodNews,
    "payment_method_removed": PaymentMethodNews,
    "number_fee_charged": NumberFeeCharged,
    "number_suspended": NumberStatusChanged,
    "number_reinstated": NumberStatusChanged,
    **{f"subscription_{what}": SubscriptionNews for what in ("started", "renewed", "past_due", "blocked", "canceled")},
    "payment_request_created": PaymentRequestNews,
    "payment_request_updated": PaymentRequestNews,
    "campaigns_paused": CampaignsNews,
    "campaigns_resumed": CampaignsNews,
    "included_minutes_low": IncludedMinutesLow,
    "ops_done": OpsAnswer,
    "ops_failed": OpsAnswer,
}
"""Every type that may be published, and the model of its data."""
