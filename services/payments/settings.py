"""Settings of payments, and what it refuses to start with."""

from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings

STRIPE_API = "https://api.stripe.com"
LIVE_PREFIXES = ("sk_live_", "rk_live_")
TEST_PREFIXES = ("sk_test_", "rk_test_")


class PaymentsSettings(ServiceSettings):
    """`stripe_api_url` names the stand-in when it is not Stripe's own.

    `stripe_webhook_secret` is one secret or several, comma-separated, the new one first while one is being rolled.
    Amounts in cents. The brake stops all charges when more than max(`brake_accounts_min`, `brake_percent` %) of
    the accounts with a card cross their threshold within `brake_window_seconds`.
    """

    stripe_api_key: str = Field(validation_alias=AliasChoices("STRIPE_API_KEY", "RINGFENCE_STRIPE_API_KEY"))
    stripe_api_url: str = STRIPE_API
    stripe_publishable_key: str | None = None
    stripe_webhook_secret: Annotated[tuple[str, ...], NoDecode]
    environment: str = "development"
    test_clock: bool = False
    public_url: str | None = None
    topup_minimum_cents: int = Field(default=500, ge=50)
    topup_maximum_cents: int = Field(default=1_000_000, le=99_999_999)
    auto_charge_threshold_cents: int = Field(default=200, ge=0)
    auto_charge_amount_cents: int = Field(default=2_500, ge=50)
    brake_accounts_min: int = Field(default=20, ge=1)
    brake_percent: int = Field(default=10, ge=1, le=100)
    brake_window_seconds: int = Field(default=60, ge=1)
    brake_hold_seconds: int = Field(default=3_600, ge=60)
    provider_timeout_seconds: float = Field(default=20, gt=0)
    provider_network_retries: int = Field(default=1, ge=0, le=5)
    topup_wait_seconds: float = Field(default=30, gt=0)
    adopted_wait_seconds: float = Field(default=15, gt=0)
    sweep_seconds: float = Field(default=15, gt=0)
    event_pull_seconds: float = Field(default=600, gt=0)
    declined_topups_per_hour_max: int = Field(default=30, ge=1)

    @field_validator("stripe_webhook_secret", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if not self.stripe_webhook_secret or not all(self.stripe_webhook_secret):
            raise ValueError("a webhook secret is empty: anybody could sign with it (RINGFENCE_STRIPE_WEBHOOK_SECRET)")
        if not self.stripe_api_key.startswith((*LIVE_PREFIXES, *TEST_PREFIXES)):
            raise ValueError("the Stripe key must be a secret or restricted key: sk_… or rk_…")
        if self.is_live and self.is_standin:
            raise ValueError("a live Stripe key must never reach the stand-in: unset RINGFENCE_STRIPE_API_URL")
        if self.is_standin and self.environment == "production":
            raise ValueError("the Stripe stand-in is refused in production: set STRIPE_API_KEY")
        if self.is_live and self.test_clock:
            raise ValueError("the test clock is refused with a live Stripe key")
        return self

    @property
    def is_live(self) -> bool:
        return self.stripe_api_key.startswith(LIVE_PREFIXES)

    @property
    def is_standin(self) -> bool:
        return self.stripe_api_url.rstrip("/") != STRIPE_API
