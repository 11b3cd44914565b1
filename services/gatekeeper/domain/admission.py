"""Who is let in: the refusals of contract §2 in their order, the first that applies is the answer."""

from services.gatekeeper.domain.outcomes import Refusal
from services.gatekeeper.domain.state import Account

_BY_ACCESS = {
    "subscription_blocked": Refusal.SUBSCRIPTION_BLOCKED,
    "payment_overdue": Refusal.PAYMENT_OVERDUE,
    "no_subscription": Refusal.NO_SUBSCRIPTION,
}


def takes_inbound_unpaid(account: Account, direction: str | None) -> bool:
    """Inbound under `inbound_policy: allow` gets what it asks for and is billed afterwards [S]."""
    return direction == "inbound" and account.inbound_policy == "allow"


def first_refusal(
    *,
    account: Account,
    direction: str | None,
    number_is_suspended: bool,
    opens_a_call: bool,
    need_micros: int,
    own_micros: int,
    lacks_minutes: bool,
) -> Refusal | None:
    """Why not, or None.

    `need_micros` is the least this ask would hold in all, `own_micros` what its own open hold already holds.
    `lacks_minutes`: a plan's pools are empty and there is no rate for the rest. What costs nothing needs no money and
    spends none, so neither a balance nor a spend limit stands in its way.
    """
    unpaid_inbound = takes_inbound_unpaid(account, direction)
    if account.disabled:
        return Refusal.ACCOUNT_DISABLED
    if account.access_refusal is not None:
        return _BY_ACCESS[account.access_refusal]
    if account.manual_suspension is not None or (account.billing_suspension is not None and not unpaid_inbound):
        return Refusal.ACCOUNT_SUSPENDED
    if number_is_suspended:
        return Refusal.NUMBER_SUSPENDED
    if opens_a_call and _is_full(account):
        return Refusal.CONCURRENCY_LIMIT_REACHED
    room = account.spend_room_micros
    if room is not None and need_micros > 0 and need_micros > room + own_micros:
        return Refusal.SPEND_LIMIT_REACHED
    if unpaid_inbound:
        return None
    if lacks_minutes or (need_micros > 0 and need_micros > account.available_micros + own_micros):
        return Refusal.INSUFFICIENT_BALANCE
    return None


def _is_full(account: Account) -> bool:
    limit = account.max_concurrent_calls
    return limit is not None and account.open_call_holds >= limit
