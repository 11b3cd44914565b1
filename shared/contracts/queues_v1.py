"""The work queues by name, for those who watch over them (contract §3). Each has a `.retry` and a `.dead` beside it."""

from typing import Final

WORK_QUEUES: Final = (
    "ledger.charge_usage",
    "ledger.obey_ops",
    "ledger.charge_number_fees",
    "ledger.expire_holds",
    "ledger.check_books",
    "gatekeeper.answer_checks",
    "payments.consider_balances",
    "payments.recharge_due",
    "payments.reconcile_charges",
    "payments.audit_charges",
    "subscriptions.renew_periods",
    "subscriptions.watch_due_dates",
)

ACCEPT_HEADER: Final = "ringfence-accept-twin"
"""On a replayed message: an operator says that a suspected duplicate is to be billed."""
