"""What a stand-in is started with. A live key is refused here, before anything is stored."""

from dataclasses import dataclass
from pathlib import Path

API_VERSION = "2026-05-27.dahlia"


class LiveKeyRefused(ValueError):
    """A live Stripe key was given to the stand-in."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`public_base` is the address browsers reach; `webhook_retry_seconds` is the first pause, then doubling."""

    folder: Path
    public_base: str
    secret_key: str
    publishable_key: str
    control_plane: bool = False
    webhook_url: str | None = None
    webhook_secret: str | None = None
    webhook_retry_seconds: float = 1.0
    webhook_attempts_max: int = 16
    webhook_timeout_seconds: float = 10.0

    def __post_init__(self) -> None:
        for key, kind in ((self.secret_key, "sk_test_"), (self.publishable_key, "pk_test_")):
            if "_live_" in key:
                raise LiveKeyRefused("the Stripe stand-in takes no live keys")
            if not key.startswith(kind):
                raise ValueError(f"the stand-in's keys are test keys: this one must start with {kind}")

    @property
    def restricted_key(self) -> str:
        """The restricted key with the rights that docs recommend for a billing service."""
        return "rk_" + self.secret_key.removeprefix("sk_")
