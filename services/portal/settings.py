"""The portal's settings."""

from typing import Annotated

from pydantic import field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings

STRIPE_JS = "https://js.stripe.com"
STRIPE_OTHERS = ("https://*.js.stripe.com", "https://api.stripe.com", "https://hooks.stripe.com")


class PortalSettings(ServiceSettings):
    """`public_url`: where browsers reach us, when it is not where we listen. `allowed_origins` (comma-separated) may
    read `GET /v1/events` from pages of their own. `api_url`: where our pages ask the API, when this process does not
    serve it. `stripe_publishable_key`: without it a card whose bank wants to ask (3-D Secure) can't be used here; cards
    are entered on the provider's hosted page either way.
    """

    public_url: str | None = None
    api_url: str | None = None
    stripe_api_url: str | None = None
    stripe_publishable_key: str | None = None
    topup_minimum_cents: int = 500
    topup_maximum_cents: int = 1_000_000
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    link_seconds: int = 300
    session_seconds: int = 1800
    heartbeat_seconds: int = 15
    replay_hours: int = 24
    behind_bytes_max: int = 64 * 1024
    streams_max: int = 5_000
    streams_per_account_max: int = 2_000

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def card_script(self) -> str:
        """The provider's script, which asks the customer's bank."""
        return f"{(self.stripe_api_url or STRIPE_JS).rstrip('/')}/v3/"

    @property
    def card_origins(self) -> tuple[str, ...]:
        """What the provider's script needs to reach."""
        return (self.stripe_api_url.rstrip("/"),) if self.stripe_api_url else (STRIPE_JS, *STRIPE_OTHERS)
