"""Stories out of the database and back: reading subscriptions under lock, writing what became of them.

Lock order: the client's row, then its subscription, then the accounts in the ledger, each in the order of
account_id. The clock passes over subscriptions that somebody else holds (SKIP LOCKED); it comes again.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from services.subscriptions.domain.access import refusal
from services.subscriptions.domain.lifecycle import Fact, Status, Story, Subscription, next_moment, story_of
from services.subscriptions.domain.payment_requests import PaymentRequest
from services.subscriptions.rows import Row, request_of, subscription_of, terms_json
from services.subscriptions.shapes import fact_json
from shared.postgres.pool import Connection
from shared.postgres.queries import Queries

QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


async def load_stories(connection: Connection, rows: Sequence[Row]) -> list[Story]:
    """The stories of these locked subscriptions, in the order of their accounts; locks the accounts."""
    if not rows:
        return []
    unpaid: dict[str, list[PaymentRequest]] = {row["subscription_id"]: [] for row in rows}
    for request in await connection.fetch(QUERIES.unpaid_requests, list(unpaid)):
        unpaid[request["subscription_id"]].append(request_of(request))
    billable = {
        plan["subscription_id"]: plan["billable_ms"]
        for plan in await connection.fetch(QUERIES.lock_plans, [row["account_id"] for row in rows])
    }
    return [
        story_of(subscription_of(row), unpaid[row["subscription_id"]], billable.get(row["subscription_id"], 0))
        for row in sorted(rows, key=lambda row: str(row["account_id"]))
    ]


async def insert_story(connection: Connection, story: Story, now: datetime) -> None:
    """Write a subscription that has just started."""
    subscription = story.subscription
    period = subscription.period
    moment = next_moment(story)
    await connection.execute(
        QUERIES.insert_subscription,
        subscription.id,
        subscription.account_id,
        subscription.terms.plan_id,
        str(subscription.status),
        terms_json(subscription.terms),
        subscription.started_at,
        period.number,
        period.start,
        period.end,
        period.end_index,
        None if moment is None else moment[0],
    )
    await save_stories(connection, [story], now)


async def save_stories(connection: Connection, stories: Sequence[Story], now: datetime) -> None:
    """Write everything that has happened in these stories, as sets: rows, pools, events, access. One commit."""
    await _save_subscriptions(connection, stories)
    await _save_periods(connection, stories)
    await insert_requests(connection, [request for story in stories for request in story.created.values()])
    await save_requests(connection, [request for story in stories for request in story.changed.values()])
    await _move_pools(connection, stories, now)
    await tell(connection, [fact for story in stories for fact in story.facts], now)
    await connection.execute(
        QUERIES.set_access,
        [story.subscription.account_id for story in stories],
        [_refusal(story.subscription) for story in stories],
        now,
    )


def _refusal(subscription: Subscription) -> str | None:
    is_over = subscription.status is Status.CANCELED
    return refusal(has_plan=True, running=None if is_over else subscription.status)


async def _save_subscriptions(connection: Connection, stories: Sequence[Story]) -> None:
    moments = [next_moment(story) for story in stories]
    subscriptions = [story.subscription for story in stories]
    await connection.execute(
        QUERIES.save_subscriptions,
        [each.id for each in subscriptions],
        [str(each.status) for each in subscriptions],
        [each.period.number for each in subscriptions],
        [each.period.start for each in subscriptions],
        [each.period.end for each in subscriptions],
        [each.period.end_index for each in subscriptions],
        [each.canceled_at for each in subscriptions],
        [None if moment is None else moment[0] for moment in moments],
    )


async def _save_periods(connection: Connection, stories: Sequence[Story]) -> None:
    opened = [(story.subscription.id, period) for story in stories for period in story.opened]
    closed = [(story.subscription.id, period) for story in stories for period in story.closed]
    if opened:
        await connection.execute(
            QUERIES.insert_periods,
            [owner for owner, _ in opened],
            [period.number for _, period in opened],
            [period.start for _, period in opened],
            [period.end for _, period in opened],
        )
    if closed:
        await connection.execute(
            QUERIES.close_periods,
            [owner for owner, _ in closed],
            [period.number for _, period in closed],
            [period.at for _, period in closed],
            [period.billable_ms for _, period in closed],
        )


async def insert_requests(connection: Connection, requests: Sequence[PaymentRequest]) -> None:
    if not requests:
        return
    await connection.execute(
        QUERIES.insert_requests,
        [each.id for each in requests],
        [each.account_id for each in requests],
        [each.subscription_id for each in requests],
        [each.period_number for each in requests],
        [each.type for each in requests],
        [each.kind for each in requests],
        [str(each.status) for each in requests],
        [each.currency for each in requests],
        [each.amount_cents for each in requests],
        # As text: a list in an array would be taken for a second dimension.
        [orjson.dumps(each.line_items).decode() for each in requests],
        [each.period_start for each in requests],
        [each.period_end for each in requests],
        [each.created_at for each in requests],
        [each.due_at for each in requests],
        [each.grace_until for each in requests],
        [each.paid_at for each in requests],
        [each.external_reference for each in requests],
        [each.supplement for each in requests],
    )


async def save_requests(connection: Connection, requests: Sequence[PaymentRequest]) -> None:
    if not requests:
        return
    await connection.execute(
        QUERIES.save_requests,
        [each.id for each in requests],
        [str(each.status) for each in requests],
        [each.paid_at for each in requests],
        [each.external_reference for each in requests],
    )


async def _move_pools(connection: Connection, stories: Sequence[Story], now: datetime) -> None:
    """Periods that were missed altogether had no usage: only the one that is open now gets its minutes."""
    over = [story for story in stories if story.subscription.status is Status.CANCELED]
    renewed = [story.subscription for story in stories if story.opened and story.subscription.canceled_at is None]
    blocked = [story for story in stories if story.subscription.status is Status.BLOCKED]
    if renewed:
        await connection.execute(QUERIES.open_periods, *_pool_columns(renewed), now)
    if over:
        await connection.execute(QUERIES.stop_plans, _accounts(over), now)
    if blocked:
        await connection.execute(QUERIES.hold_periods_open, _accounts(blocked))


def _accounts(stories: Iterable[Story]) -> list[str]:
    return [story.subscription.account_id for story in stories]


def _pool_columns(subscriptions: Sequence[Subscription]) -> list[list[Any]]:
    return [
        [each.account_id for each in subscriptions],
        [each.id for each in subscriptions],
        [each.period.number for each in subscriptions],
        [each.period.start for each in subscriptions],
        [each.period.end for each in subscriptions],
        [each.terms.rate_micros_per_minute for each in subscriptions],
        [each.terms.chat_ms for each in subscriptions],
        [each.terms.included_ms for each in subscriptions],
    ]


async def tell(connection: Connection, facts: Sequence[Fact], now: datetime) -> None:
    """Append the events of these facts, in their order."""
    if facts:
        await connection.execute(
            QUERIES.append_events,
            [fact.about.account_id for fact in facts],
            [fact.type for fact in facts],
            [fact_json(fact) for fact in facts],
            now,
        )
