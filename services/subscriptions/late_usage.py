"""Usage that ended while a subscription ran and was told after its cancel, with no period open that it could count in.

The ledger keeps it as billable time of the subscription that has stopped. Here it is taken over and asked for by a
supplementary request, in one commit: counted once, whoever comes twice or is killed in between. The last period's
`billable_ms` grows with it, so the requests of a period always add up to its time at the rate.
"""

from datetime import datetime

from services.subscriptions.context import SubscriptionsContext
from services.subscriptions.domain.lifecycle import Fact, Subscription
from services.subscriptions.domain.payment_requests import PaymentRequest, supplementary_request
from services.subscriptions.rows import Row, subscription_of
from services.subscriptions.stories import QUERIES, insert_requests, tell
from shared.ids import new_id
from shared.postgres.pool import Connection, transaction


async def ask_for_late_usage(context: SubscriptionsContext) -> int:
    """Ask for all of it; returns of how many subscriptions."""
    asked = 0
    while batch := await _ask_batch(context):
        asked += batch
    return asked


async def _ask_batch(context: SubscriptionsContext) -> int:
    now = context.now()
    async with transaction(context.pool) as connection:
        rows = await connection.fetch(QUERIES.claim_late_usage, context.settings.renewal_batch_size)
        stopped = {row["subscription_id"]: subscription_of(row) for row in rows}
        if stopped:
            await _ask(connection, stopped, now)
    context.host.announcer.tell([each.account_id for each in stopped.values()])
    return len(stopped)


async def _ask(connection: Connection, stopped: dict[str, Subscription], now: datetime) -> None:
    taken = await connection.fetch(QUERIES.invoice_late_usage, list(stopped), now)
    before = {row["subscription_id"]: row for row in await connection.fetch(QUERIES.usage_asked_for, list(stopped))}
    late = [(stopped[row["subscription_id"]], row["late_ms"]) for row in taken]
    await connection.execute(
        QUERIES.add_late_usage,
        [subscription.id for subscription, _ in late],
        [subscription.period.number for subscription, _ in late],
        [late_ms for _, late_ms in late],
    )
    requests = [
        request
        for subscription, late_ms in late
        if (request := _request(subscription, late_ms, before[subscription.id], now)) is not None
    ]
    await insert_requests(connection, requests)
    await tell(connection, [Fact("payment_request_created", request) for request in requests], now)


def _request(subscription: Subscription, late_ms: int, before: Row, now: datetime) -> PaymentRequest | None:
    assert subscription.canceled_at is not None
    return supplementary_request(
        account_id=subscription.account_id,
        subscription_id=subscription.id,
        terms=subscription.terms,
        period=subscription.period,
        canceled_at=subscription.canceled_at,
        billable_ms=before["billable_ms"],
        late_ms=late_ms,
        number=1 + (before["supplements"] or 0),
        at=now,
        make_id=new_id,
    )
