"""Settings of the ledger."""

from pydantic import Field

from shared.settings import ServiceSettings

CENTS_MAX = 10**9
"""Ten million dollars: no single amount a person types is larger (10^13 micros)."""


class LedgerSettings(ServiceSettings):
    """What a new account gets unless its creation says otherwise.

    `auto_charge` is the [S] profile: new accounts are charged when they run low and settle what they owe.
    """

    signup_credit_cents: int = Field(default=1_000, ge=0, le=CENTS_MAX)
    low_balance_cents: int = Field(default=200, ge=0, le=CENTS_MAX)
    auto_charge: bool = False
