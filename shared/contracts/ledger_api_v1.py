"""What the ledger answers over HTTP, version 1 (contract §4 to §6). Amounts: `*_cents` and `*_micros` are integers,
`*_usd` decimal strings with two decimals (prices and quotes: up to six); in the wallet's words they are numbers.
"""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.fields_v1 import SentId

ItemT = TypeVar("ItemT")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FieldFault(_Answer):
    path: str
    message: str


class Fault(BaseModel):
    """More keys where a rule says so."""

    code: str
    message: str
    request_id: str
    fields: list[FieldFault] | None = None


class Refusal(BaseModel):
    error: Fault


class Page(_Answer, Generic[ItemT]):
    """Newest first."""

    data: list[ItemT]
    total: int
    limit: int
    offset: int


class MinutePools(_Answer):
    included_seconds: int
    wallet_seconds: int
    billable_seconds: int
    held_seconds: int


class Account(_Answer):
    """`reason` says why it is suspended, `suspended_by` whether by hand, for want of money, or both."""

    id: SentId
    account_id: SentId
    parent_id: SentId | None
    agency: bool
    name: str
    email: str | None
    currency: Literal["usd"]
    timezone: str
    created_at: str
    credit_limit_cents: int
    inbound_policy: Literal["reject", "allow"]
    auto_charge: bool
    settle_negative: bool
    low_balance_cents: int
    monthly_spend_limit_cents: int | None
    max_concurrent_calls: int | None
    disabled: bool
    status: Literal["active", "suspended", "disabled"]
    reason: str | None
    suspended_by: list[Literal["manual", "billing"]]
    prices_version: int
    version: int
    balance_cents: int
    balance_usd: str
    balance_micros: int
    held_cents: int
    available_cents: int
    available_usd: str
    minute_pools: MinutePools | None


class OpenedAccount(Account):
    """`api_key` is shown once; null where another key repeats the request."""

    api_key: str | None


class Key(_Answer):
    id: str
    name: str | None
    hint: str
    created_at: str
    revoked_at: str | None


class NewKey(Key):
    api_key: str


class Reference(_Answer):
    type: Literal["call", "message", "chat", "number", "payment", "event"]
    id: SentId


class Transaction(_Answer):
    """`kind` is one of ThunderPhone's words where its client asks."""

    id: int
    kind: Literal[
        "credit",
        "debit",
        "adjustment",
        "refund",
        "manual_topup",
        "auto_reload",
        "call_usage",
        "phone_number_monthly",
    ]
    reason: str
    description: str
    amount_cents: int
    amount_usd: str
    amount_micros: int
    balance_after_usd: str
    balance_after_micros: int
    call_id: SentId | None
    phone_number_id: SentId | None
    phone_number_value: str | None
    reference: Reference
    metadata: dict[str, Any]
    has_receipt: bool
    created_at: str


class WalletTransaction(_Answer):
    """The same in the wallet's words."""

    id: int
    kind: str
    reason: str
    description: str
    amount_cents: int
    amount_usd: float
    amount_micros: int
    balance_after_usd: float
    balance_after_micros: int
    currency: Literal["USD"]
    call_id: SentId | None
    message_id: SentId | None
    chat_id: SentId | None
    number_id: SentId | None
    phone_number_id: SentId | None
    phone_number_value: str | None
    reference: Reference
    metadata: dict[str, Any]
    has_receipt: bool
    created_at: str


class AccountEvent(_Answer):
    """A CloudEvent and its number, which rises per account over all types."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    seq: int
    data: dict[str, Any]


class PublishedBook(_Answer):
    version: int
    effective_at: str
    created_at: str
    zones: dict[str, list[str]]
    items: list[dict[str, Any]]


class AccountPrices(_Answer):
    """Version 0: the account has no prices of its own."""

    account_id: str
    version: int
    effective_at: str | None
    created_at: str | None
    items: list[dict[str, Any]]


class QuoteFault(_Answer):
    code: str
    message: str


class QuoteEntry(_Answer):
    """Either a total with its components, or an error."""

    index: int
    total_usd: str | None = None
    components: list[dict[str, Any]] | None = None
    error: QuoteFault | None = None


class Quote(_Answer):
    data: list[QuoteEntry]
    total_usd: str


class Number(_Answer):
    """`fee_usd` is the next fee as prices stand; `reason`: suspended by hand (manual) or with its account (billing)."""

    number_id: SentId
    number: str
    account_id: SentId
    status: Literal["active", "suspended", "released"]
    reason: Literal["manual", "billing"] | None
    rented_at: str | None
    released_at: str | None
    next_fee_at: str | None
    fee_usd: str | None
    per: Literal["30d", "month"] | None


class RejectedEvent(_Answer):
    index: int
    code: str
    message: str


class UsageTaken(_Answer):
    accepted: int
    rejected: list[RejectedEvent]


class WalletBalance(_Answer):
    balance_usd: float
    held_usd: float
    available_usd: float
    currency: Literal["USD"]


class WalletPricing(_Answer):
    """`rates`: what applies without conditions, e.g. `voice_usd`; `items`: all, the account's own before the book's."""

    currency: Literal["USD"]
    rates: dict[str, float]
    items: list[dict[str, Any]]
    zones: list[str]
    effective_at: str


class DaySpending(_Answer):
    date: str
    total_spent_usd: float
    total_added_usd: float


class ReasonSpending(_Answer):
    count: int
    amount_usd: float


class WalletAnalytics(_Answer):
    days: int
    currency: Literal["USD"]
    start_date: str
    end_date: str
    total_spent_usd: float
    total_added_usd: float
    by_reason: dict[str, ReasonSpending]
    daily: list[DaySpending]


class ClockMoved(_Answer):
    now: str
    offset_seconds: int = Field(ge=0)
