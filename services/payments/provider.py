"""What payments asks of whoever moves card money, and the facts it gets back.

Stripe is the one adapter today (stripe_provider.py). The shapes fit Paddle, too: a charge may answer with a
redirect instead of a client secret, and `capabilities` says whether a charge can be repeated by its key.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Order:
    """One charge to make. `attempt_id` is the provider's idempotency key; the rest never changes for it."""

    attempt_id: str
    account_id: str
    kind: str
    customer_id: str
    card_id: str
    amount_cents: int
    is_off_session: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a payment failed: the provider's code, the bank's reason, the provider's advice, words for a person."""

    code: str
    decline_code: str | None
    advice_code: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as the provider has it. `attempt_id`, `account_id` and `kind` are what we marked it with.

    `payment_id` is None only for a decline that made no payment. `is_ours`: marked by this installation.
    """

    payment_id: str | None
    status: str
    amount_cents: int
    received_cents: int
    currency: str
    customer_id: str | None
    card_id: str | None
    client_secret: str | None
    is_ours: bool
    attempt_id: str | None
    account_id: str | None
    kind: str | None
    created_at: datetime
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider will not do this, and did nothing: `code` is one of ours."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that can be trusted: it may or may not have happened. `is_stored`: the key replays this failure."""

    detail: str
    is_stored: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    card_id: str
    customer_id: str | None
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None


@dataclass(frozen=True, slots=True)
class CardSetup:
    """A card about to be saved; `card_id` once it is."""

    setup_id: str
    status: str
    client_secret: str | None
    customer_id: str | None
    card_id: str | None


@dataclass(frozen=True, slots=True)
class RefundOrder:
    refund_id: str
    account_id: str
    payment_id: str
    amount_cents: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as the provider has it; `is_gone`: it failed or was canceled, the money came back to us."""

    provider_refund_id: str
    refund_id: str | None
    payment_id: str | None
    amount_cents: int
    currency: str
    is_gone: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute as the provider has it; `is_taken`/`is_returned`: the money has left us, has come back."""

    dispute_id: str
    payment_id: str | None
    amount_cents: int
    currency: str
    status: str
    is_taken: bool
    is_returned: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event of the provider: only where to look; what is true is asked for afterwards.

    `parent_id` is the payment that a refund or a charge belongs to.
    """

    event_id: str
    type: str
    object_id: str
    parent_id: str | None
    is_live: bool
    created_at: datetime


class ProviderUnavailable(Exception):
    """No usable answer to a question or to something that may be asked again."""


class NotAtProvider(Exception):
    """The provider has no such thing, or it belongs to somebody else."""


class CardDeclined(Exception):
    """The bank refuses the card itself, before any charge."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class BadSignature(Exception):
    """A webhook that the provider did not sign just now."""


class NotAnEvent(Exception):
    """A webhook that the provider signed, and whose body is no event. `is_json`: it is JSON of another shape."""

    def __init__(self, detail: str, *, is_json: bool) -> None:
        super().__init__(detail)
        self.is_json = is_json


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`key_life_seconds`: how long a charge may be sent again under its key; 0 = never."""

    off_session: bool
    key_life_seconds: float


class Provider(Protocol):
    """Everything may raise `ProviderUnavailable`, except `charge` and `refund`, which answer `Unknown`."""

    name: str
    capabilities: Capabilities

    async def create_customer(self, account_id: str) -> str: ...

    async def start_card_setup(self, account_id: str, customer_id: str) -> CardSetup: ...

    async def start_hosted_setup(self, account_id: str, customer_id: str, return_url: str, cancel_url: str) -> str:
        """The address of a hosted page on which the customer enters a card."""

    async def find_setup(self, setup_id: str) -> CardSetup: ...

    async def find_hosted_setup(self, session_id: str) -> CardSetup: ...

    async def find_card(self, card_id: str) -> Card: ...

    async def attach_card(self, card_id: str, customer_id: str) -> Card:
        """Raises `CardDeclined`, too."""

    async def detach_card(self, card_id: str) -> None: ...

    async def prefer_card(self, customer_id: str, card_id: str | None) -> None:
        """Cosmetic: what the provider's own pages show as the default."""

    async def charge(self, order: Order) -> Payment | Rejected | Unknown: ...

    async def find_payment(self, payment_id: str) -> Payment: ...

    async def look_up(self, order: Order, since: datetime) -> Payment | None:
        """The payment marked with the order's id, by lists that show what was written at once."""

    async def cancel(self, payment_id: str) -> Payment:
        """Cancel it if it can still be canceled; the payment as it then is."""

    async def receipt_url(self, payment_id: str) -> str | None: ...

    async def refund(self, order: RefundOrder) -> Refund | Rejected | Unknown: ...

    async def refunds_of(self, payment_id: str) -> list[Refund]: ...

    async def find_dispute(self, dispute_id: str) -> Dispute: ...

    def read_webhook(self, body: bytes, headers: Mapping[str, str], now: list[datetime]) -> ToldEvent | None:
        """The event, or None for one we don't listen to. Raises `BadSignature` and `NotAnEvent`. `now`: clocks that
        may be right."""

    def events_since(self, since: datetime) -> AsyncIterator[ToldEvent]: ...

    def payments_since(self, since: datetime | None) -> AsyncIterator[Payment]: ...

    def refunds_since(self, since: datetime | None) -> AsyncIterator[Refund]: ...

    def disputes_since(self, since: datetime | None) -> AsyncIterator[Dispute]: ...

    async def close(self) -> None: ...
