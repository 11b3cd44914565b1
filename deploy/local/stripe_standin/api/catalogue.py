"""Every operation the stand-in serves, found by method and path."""

import re

from deploy.local.stripe_standin.errors import InvalidRequest
from deploy.local.stripe_standin.work import Operation

from . import (
    balance_transactions,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    refunds,
    search,
    setup_intents,
    webhook_endpoints,
)

# search before payment_intents: its path also reads as that of one intent.
OPERATIONS: tuple[Operation, ...] = (
    *search.OPERATIONS,
    *balance_transactions.OPERATIONS,
    *charges.OPERATIONS,
    *checkout_sessions.OPERATIONS,
    *customers.OPERATIONS,
    *disputes.OPERATIONS,
    *events.OPERATIONS,
    *payment_intents.OPERATIONS,
    *payment_methods.OPERATIONS,
    *refunds.OPERATIONS,
    *setup_intents.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))


_ROUTES = [(operation, _pattern(operation.path)) for operation in OPERATIONS]


def find_operation(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation and the ids in its path; raises 404 as Stripe does for an unknown URL."""
    for operation, pattern in _ROUTES:
        match = pattern.fullmatch(path)
        if match and operation.method == method:
            return operation, match.groupdict()
    raise InvalidRequest(
        f"Unrecognized request URL ({method}: {path}). The stand-in serves what Ringfence uses of the Stripe API.",
        status=404,
    )
