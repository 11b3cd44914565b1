"""The scheduler's settings: the cadence of each tick in seconds (contract §3, Ticks)."""

from shared.contracts.ticks_v1 import TickName
from shared.settings import ServiceSettings


class SchedulerSettings(ServiceSettings):
    """RINGFENCE_TICK_HOLDS_SECONDS and so on."""

    tick_number_fees_seconds: int = 60
    tick_recharge_seconds: int = 60
    tick_holds_seconds: int = 15
    tick_renewals_seconds: int = 60
    tick_due_dates_seconds: int = 60
    tick_reconcile_seconds: int = 60
    tick_audit_seconds: int = 3600

    def cadence_seconds(self, name: TickName) -> int:
        seconds: int = getattr(self, f"tick_{name}_seconds")
        return seconds
