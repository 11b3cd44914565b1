"""Whether a client may come in, and why not. Pure (contract §7, Access; §2, precedence)."""

from typing import Literal

from services.subscriptions.domain.lifecycle import Status

Refusal = Literal["subscription_blocked", "payment_overdue", "no_subscription"]


def refusal(*, has_plan: bool, running: Status | None) -> Refusal | None:
    """Why the gate refuses a client. One without a plan is an ordinary wallet account; `running` is the status of
    its subscription, None when it has none or it is canceled.
    """
    if running is Status.BLOCKED:
        return "subscription_blocked"
    if running is Status.PAST_DUE:
        return "payment_overdue"
    if running is None and has_plan:
        return "no_subscription"
    return None
