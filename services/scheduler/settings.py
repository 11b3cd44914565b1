"""The scheduler's settings: the cadence of each tick in seconds (contract §3, Ticks)."""

from shared.contracts.ticks_v1 import TickName
from shared.settings import ServiceSettings


class SchedulerSettings(ServiceSettings):
    """RINGFENCE_TICK_HOLDS_SECONDS and so on."""

    tick_number_fees_seconds: float = 60
    tick_recharge_seconds: float = 60
    tick_holds_seconds: float = 15
    tick_renewals_seconds: float = 60
    tick_due_dates_seconds: float = 60
    tick_reconcile_seconds: float = 60
    tick_audit_seconds: float = 3600

    def cadence_seconds(self, name: TickName) -> float:
        seconds: float = getattr(self, f"tick_{name}_seconds")
        return seconds
