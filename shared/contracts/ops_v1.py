"""Commands of operators, version 1, through `ringfence.ops` (contract §3)."""

from typing import Annotated, Final

from pydantic import BaseModel, Field

from shared.contracts.fields_v1 import CallerId, Strict, Text

AMOUNT_CENTS_MAX: Final = 100_000_000


class SuspendAccount(Strict):
    """Suspend by hand; only `account.reinstate` lifts it."""

    account_id: CallerId
    reason: Text


class ReinstateAccount(Strict):
    """Lift a suspension, by hand or by billing."""

    account_id: CallerId
    reason: Text | None = None


class AdjustAccount(Strict):
    """Move money by hand: positive gives, negative takes."""

    account_id: CallerId
    amount_cents: Annotated[int, Field(ge=-AMOUNT_CENTS_MAX, le=AMOUNT_CENTS_MAX)]
    description: Text


class ResyncAccount(Strict):
    """Publish the present balance again."""

    account_id: CallerId


MODELS: Final[dict[str, type[BaseModel]]] = {
    "account.suspend": SuspendAccount,
    "account.reinstate": ReinstateAccount,
    "account.adjust": AdjustAccount,
    "account.resync": ResyncAccount,
}
