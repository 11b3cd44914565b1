"""Stripe behind the provider's interface, through its official client; the stand-in is only another base address."""

from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import httpx
import stripe
from stripe.params import SetupIntentCreateParams

from services.payments import stripe_facts as facts
from services.payments.provider import (
    Capabilities,
    Card,
    CardDeclined,
    CardSetup,
    Dispute,
    NotAtProvider,
    Order,
    Payment,
    ProviderUnavailable,
    Refund,
    RefundOrder,
    Rejected,
    ToldEvent,
    Unknown,
)
from services.payments.settings import PaymentsSettings
from services.payments.stripe_errors import failure_of, refusal_or_unknown
from services.payments.stripe_webhooks import read_webhook

API_VERSION = "2026-05-27.dahlia"
KEY_LIFE_SECONDS = 23 * 3600
"""Stripe forgets keys after 24 h at the earliest; an hour of grace for clocks."""
PAGE_SIZE = 100

T = TypeVar("T")


class StripeProvider:
    """One per process and event loop: its HTTP pool belongs to the loop that made it."""

    name = "stripe"
    capabilities = Capabilities(off_session=True, key_life_seconds=KEY_LIFE_SECONDS)

    def __init__(self, settings: PaymentsSettings, installation_id: str) -> None:
        stripe.enable_telemetry = False
        self._secrets = settings.stripe_webhook_secret
        self._installation_id = installation_id
        self._http = stripe.HTTPXClient(timeout=httpx.Timeout(settings.provider_timeout_seconds, connect=3))
        self._client = stripe.StripeClient(
            settings.stripe_api_key,
            http_client=self._http,
            stripe_version=API_VERSION,
            max_network_retries=settings.provider_network_retries,
            base_addresses={"api": settings.stripe_api_url.rstrip("/")},
        ).v1

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    # --- customers and cards ---

    async def create_customer(self, account_id: str) -> str:
        key = f"cus:{self._installation_id}:{account_id}"
        made = await _answer(
            self._client.customers.create_async(
                params={"metadata": self._marks(org=account_id)}, options={"idempotency_key": key}
            )
        )
        return made.id

    async def start_card_setup(self, account_id: str, customer_id: str) -> CardSetup:
        params: SetupIntentCreateParams = {
            "customer": customer_id,
            "usage": "off_session",
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": self._marks(org=account_id),
        }
        made = await _answer(self._client.setup_intents.create_async(params=params))
        return facts.card_setup(made)

    async def start_hosted_setup(self, account_id: str, customer_id: str, return_url: str, cancel_url: str) -> str:
        separator = "&" if "?" in return_url else "?"
        made = await _answer(
            self._client.checkout.sessions.create_async(
                params={
                    "mode": "setup",
                    "currency": "usd",
                    "customer": customer_id,
                    "success_url": f"{return_url}{separator}session={{CHECKOUT_SESSION_ID}}",
                    "cancel_url": cancel_url,
                    "metadata": self._marks(org=account_id),
                    "setup_intent_data": {"metadata": self._marks(org=account_id, way="checkout")},
                }
            )
        )
        return str(made.url)

    async def find_setup(self, setup_id: str) -> CardSetup:
        return facts.card_setup(await _answer(self._client.setup_intents.retrieve_async(setup_id)))

    async def find_hosted_setup(self, session_id: str) -> CardSetup:
        session = await _answer(
            self._client.checkout.sessions.retrieve_async(session_id, params={"expand": ["setup_intent"]})
        )
        if session.setup_intent is None:
            raise NotAtProvider(session_id)
        return facts.card_setup(session.setup_intent)

    async def find_card(self, card_id: str) -> Card:
        return facts.card(await _answer(self._client.payment_methods.retrieve_async(card_id)))

    async def attach_card(self, card_id: str, customer_id: str) -> Card:
        attaching = self._client.payment_methods.attach_async(card_id, params={"customer": customer_id})
        return facts.card(await _answer(attaching))

    async def detach_card(self, card_id: str) -> None:
        try:
            await _answer(self._client.payment_methods.detach_async(card_id))
        except NotAtProvider:
            return  # gone already, which is what was wanted

    async def prefer_card(self, customer_id: str, card_id: str | None) -> None:
        await _answer(
            self._client.customers.update_async(
                customer_id, params={"invoice_settings": {"default_payment_method": card_id or ""}}
            )
        )

    # --- money ---

    async def charge(self, order: Order) -> Payment | Rejected | Unknown:
        params: dict[str, Any] = {
            "amount": order.amount_cents,
            "currency": "usd",
            "customer": order.customer_id,
            "payment_method": order.card_id,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "confirm": True,
            "metadata": self._marks(attempt_id=order.attempt_id, org=order.account_id, kind=order.kind),
        }
        if order.is_off_session:
            # Without the second flag a 3-D Secure demand would park the payment and look like success.
            params |= {"off_session": True, "error_on_requires_action": True}
        try:
            intent = await self._client.payment_intents.create_async(
                params=params,  # type: ignore[arg-type]
                options={"idempotency_key": order.attempt_id},
            )
        except stripe.CardError as declined:
            return self._declined(order, declined)
        except stripe.StripeError as error:
            return refusal_or_unknown(error)
        except (httpx.HTTPError, OSError, ValueError) as error:
            return Unknown(repr(error))
        return facts.payment(intent, self._installation_id)

    def _declined(self, order: Order, error: stripe.CardError) -> Payment:
        told: Any = error.error
        intent = getattr(told, "payment_intent", None)
        if intent is not None:
            return facts.payment(intent, self._installation_id)
        return Payment(
            payment_id=None,
            status="requires_payment_method",
            amount_cents=order.amount_cents,
            received_cents=0,
            currency="usd",
            customer_id=order.customer_id,
            card_id=order.card_id,
            client_secret=None,
            is_ours=True,
            attempt_id=order.attempt_id,
            account_id=order.account_id,
            kind=order.kind,
            created_at=facts.at(0),
            failure=failure_of(told),
        )

    async def find_payment(self, payment_id: str) -> Payment:
        intent = await _answer(self._client.payment_intents.retrieve_async(payment_id))
        return facts.payment(intent, self._installation_id)

    async def look_up(self, order: Order, since: datetime) -> Payment | None:
        pages = self._pages(
            self._client.payment_intents.list_async, customer=order.customer_id, created={"gte": int(since.timestamp())}
        )
        async for intent in pages:
            found = facts.payment(intent, self._installation_id)
            if found.is_ours and found.attempt_id == order.attempt_id:
                return found
        return None

    async def cancel(self, payment_id: str) -> Payment:
        try:
            intent = await self._client.payment_intents.cancel_async(payment_id)
        except stripe.InvalidRequestError:
            return await self.find_payment(payment_id)
        except (stripe.StripeError, httpx.HTTPError, OSError, ValueError) as error:
            raise ProviderUnavailable(repr(error)) from error
        return facts.payment(intent, self._installation_id)

    async def receipt_url(self, payment_id: str) -> str | None:
        intent = await _answer(
            self._client.payment_intents.retrieve_async(payment_id, params={"expand": ["latest_charge"]})
        )
        return getattr(intent.latest_charge, "receipt_url", None)

    async def refund(self, order: RefundOrder) -> Refund | Rejected | Unknown:
        try:
            made = await self._client.refunds.create_async(
                params={
                    "payment_intent": order.payment_id,
                    "amount": order.amount_cents,
                    "reason": "requested_by_customer",
                    "metadata": self._marks(refund_id=order.refund_id, org=order.account_id),
                },
                options={"idempotency_key": order.refund_id},
            )
        except stripe.InvalidRequestError as error:
            return Rejected("refund_refused", str(error.user_message))
        except stripe.StripeError as error:
            return refusal_or_unknown(error)
        except (httpx.HTTPError, OSError, ValueError) as error:
            return Unknown(repr(error))
        return facts.refund(made)

    async def refunds_of(self, payment_id: str) -> list[Refund]:
        pages = self._pages(self._client.refunds.list_async, payment_intent=payment_id)
        return [facts.refund(refund) async for refund in pages]

    async def find_dispute(self, dispute_id: str) -> Dispute:
        return facts.dispute(await _answer(self._client.disputes.retrieve_async(dispute_id)))

    # --- what happened ---

    def read_webhook(self, body: bytes, headers: Mapping[str, str], now: list[datetime]) -> ToldEvent | None:
        return read_webhook(body, headers, self._secrets, now)

    async def events_since(self, since: datetime) -> AsyncIterator[ToldEvent]:
        """Newest first."""
        types = sorted(facts.LISTENED_TO)[:20]
        assert len(types) == len(facts.LISTENED_TO), "Stripe takes at most 20 types in a list"
        async for event in self._pages(
            self._client.events.list_async, types=types, created={"gte": int(since.timestamp())}
        ):
            told = facts.told_event(event)
            if told is not None:
                yield told

    async def payments_since(self, since: datetime | None) -> AsyncIterator[Payment]:
        async for intent in self._pages(self._client.payment_intents.list_async, **_created(since)):
            yield facts.payment(intent, self._installation_id)

    async def refunds_since(self, since: datetime | None) -> AsyncIterator[Refund]:
        async for refund in self._pages(self._client.refunds.list_async, **_created(since)):
            yield facts.refund(refund)

    async def disputes_since(self, since: datetime | None) -> AsyncIterator[Dispute]:
        async for dispute in self._pages(self._client.disputes.list_async, **_created(since)):
            yield facts.dispute(dispute)

    def _marks(self, **more: str) -> dict[str, str]:
        return facts.marks(self._installation_id, **more)

    async def _pages(self, ask: Any, **params: Any) -> AsyncIterator[Any]:
        try:
            async for item in (await ask(params={"limit": PAGE_SIZE, **params})).auto_paging_iter():
                yield item
        except (stripe.StripeError, httpx.HTTPError, OSError, ValueError) as error:
            raise ProviderUnavailable(repr(error)) from error


def _created(since: datetime | None) -> dict[str, Any]:
    return {} if since is None else {"created": {"gte": int(since.timestamp())}}


async def _answer(asked: Awaitable[T]) -> T:
    """The answer to a question; raises `NotAtProvider`, `CardDeclined` or `ProviderUnavailable`."""
    try:
        return await asked
    except stripe.StripeError as error:
        if isinstance(error, stripe.CardError):
            raise CardDeclined(failure_of(error.error)) from error
        if isinstance(error, stripe.InvalidRequestError):
            raise NotAtProvider(str(error.user_message)) from error
        raise ProviderUnavailable(repr(error)) from error
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise ProviderUnavailable(repr(error)) from error
