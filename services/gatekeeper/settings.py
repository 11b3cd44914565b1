"""What an operator may set about the gate."""

from pydantic import Field

from shared.settings import ServiceSettings


class GatekeeperSettings(ServiceSettings):
    """`gate_deadline_ms`: after so long a check whose books don't answer is told 503 (contract §2: within 1 s)."""

    campaign_minimum_cents: int = Field(default=20, ge=0)
    gate_deadline_ms: int = Field(default=800, ge=50, le=950)
    gate_lanes: int = Field(default=1, ge=1, le=8)
    gate_batch_size_max: int = Field(default=128, ge=1, le=1024)
    gate_queue_length_max: int = Field(default=10_000, ge=1)
    rejections_kept_days: int = Field(default=30, ge=1)
