"""Settings every process shares; each service adds its own. All come from the environment, RINGFENCE_*."""

from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Base of every settings class: read from the environment, never changed afterwards."""

    model_config = SettingsConfigDict(env_prefix="RINGFENCE_", frozen=True, extra="ignore")


class Settings(ServiceSettings):
    """What the runtime itself needs.

    `rate_limit_per_second` counts requests of one account or agency key on everything but the gate; 0 is no limit.
    """

    postgres_url: str
    amqp_url: str
    http_host: str = "127.0.0.1"
    http_port: int = 8402
    environment: Literal["development", "production"] = "development"
    test_clock: bool = False
    platform_key: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    pool_size_max: int = 8
    rate_limit_per_second: int = 50
    rate_limit_burst: int = 200
    key_cache_seconds: float = 5
    stripe_api_key: str | None = None
