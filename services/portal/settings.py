"""The portal's settings."""

from typing import Annotated

from pydantic import field_validator
from pydantic_settings import NoDecode

from shared.settings import ServiceSettings


class PortalSettings(ServiceSettings):
    """`public_url`: where browsers reach us, when it is not where we listen. `allowed_origins` (comma-separated) may
    read `GET /v1/events` from pages of their own.
    """

    public_url: str | None = None
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
