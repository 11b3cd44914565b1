"""What an agency, or a client where its plan allows, does with a subscription: start, cancel, settle its requests.

Each function is one step inside the caller's transaction; the clock is played up to the present first, so that the
decision does not depend on when the last tick came.
"""

from dataclasses import replace
from datetime import datetime

from services.subscriptions.domain.lifecycle import (
    RENEWING,
    Fact,
    Story,
    Subscription,
    advance,
    cancel,
    follow_request,
    next_moment,
    start,
)
from services.subscriptions.domain.payment_requests import (
    IllegalTransition,
    PaymentRequest,
    RequestStatus,
    pack_request,
    set_status,
)
from services.subscriptions.domain.terms import MS_PER_MINUTE
from services.subscriptions.rows import Row, request_of, subscription_of, terms_of_plan
from services.subscriptions.stories import (
    QUERIES,
    insert_requests,
    insert_story,
    load_stories,
    save_requests,
    save_stories,
    tell,
)
from shared.http_errors import ApiError, forbidden, not_found
from shared.ids import new_id
from shared.postgres.pool import Connection


async def lock_client(connection: Connection, account_id: str, agency_id: str) -> Row:
    """The client's row, locked until the commit; made if this is the first that is set for it."""
    await connection.execute(QUERIES.know_client, account_id, agency_id)
    row: Row = await connection.fetchrow(QUERIES.lock_client, account_id)
    return row


async def require_no_subscription(connection: Connection, account_id: str) -> None:
    """Raise 409 `subscription_active` if the client has one that is not canceled."""
    if await connection.fetchrow(QUERIES.lock_running, account_id) is not None:
        raise ApiError(409, "subscription_active", "The client has a subscription that is not canceled.")


async def start_subscription(
    connection: Connection, *, account_id: str, agency_id: str, by_client: bool, now: datetime
) -> Subscription:
    """Start one on the assigned plan, its terms as they stand. Raises 403 and 409."""
    client = await lock_client(connection, account_id, agency_id)
    plan = await connection.fetchrow(QUERIES.share_plan, client["plan_id"], agency_id)
    if by_client and (plan is None or not plan["client_may_start"]):
        raise forbidden()
    await require_no_subscription(connection, account_id)
    if plan is None:
        raise ApiError(409, "plan_not_assigned", "No plan is assigned to the client.")
    require_active(plan)
    timezone = await connection.fetchval(QUERIES.agency_timezone, agency_id)
    story = start(
        subscription_id=new_id("sub", now),
        account_id=account_id,
        terms=terms_of_plan(plan, timezone),
        now=now,
        make_id=new_id,
    )
    await insert_story(connection, story, now)
    return story.subscription


def require_active(plan: Row) -> None:
    """Raise 409 `plan_not_active` for an archived plan."""
    if plan["status"] != "active":
        raise ApiError(409, "plan_not_active", "The plan is archived.")


async def cancel_subscription(
    connection: Connection, *, account_id: str, agency_id: str, now: datetime
) -> Subscription:
    """End the running subscription at once. Raises 404 when there never was one, 409 when it is canceled already."""
    await lock_client(connection, account_id, agency_id)
    row = await connection.fetchrow(QUERIES.lock_running, account_id)
    if row is None:
        if await connection.fetchrow(QUERIES.latest_subscription, account_id) is None:
            raise not_found("subscription")
        raise ApiError(409, "illegal_transition", "The subscription is canceled already.")
    story = await _present_story(connection, row, now)
    cancel(story, now=now, make_id=new_id)
    await save_stories(connection, [story], now)
    return story.subscription


async def _present_story(connection: Connection, row: Row, now: datetime) -> Story:
    (story,) = await load_stories(connection, [row])
    _catch_up(story, now)
    return story


def _catch_up(story: Story, now: datetime) -> None:
    while (moment := next_moment(story)) is not None and moment[0] <= now:
        advance(story, now=now, make_id=new_id)


async def change_request(
    connection: Connection,
    known: PaymentRequest,
    *,
    status: RequestStatus | None,
    external_reference: str | None,
    sets_reference: bool,
    now: datetime,
) -> PaymentRequest:
    """What the agency says of a request; the subscription's status follows. Raises 409 `illegal_transition`."""
    story = await _story_of_request(connection, known, now)
    request = await _present_request(connection, known, story, now)
    try:
        changed = request if status is None else set_status(request, status, now)
    except IllegalTransition as illegal:
        raise ApiError(409, "illegal_transition", str(illegal)) from None
    if sets_reference:
        changed = replace(changed, external_reference=external_reference)
    if story is None:
        await save_requests(connection, [changed])
        await tell(connection, [Fact("payment_request_updated", changed)], now)
    else:
        follow_request(story, changed, now=now)
        _catch_up(story, now)
        await save_stories(connection, [story], now)
    return changed


async def _story_of_request(connection: Connection, request: PaymentRequest, now: datetime) -> Story | None:
    """The story a cycle request is part of; None for what changes nobody's status."""
    if request.type != "cycle":
        return None
    row = await connection.fetchrow(QUERIES.lock_subscription, request.subscription_id)
    assert row is not None
    if subscription_of(row).status not in RENEWING:
        return None
    return await _present_story(connection, row, now)


async def _present_request(
    connection: Connection, known: PaymentRequest, story: Story | None, now: datetime
) -> PaymentRequest:
    """The request as it stands by the clock; locked."""
    if story is not None and known.id in story.unpaid:
        return story.unpaid[known.id]
    request = request_of(await connection.fetchrow(QUERIES.lock_request, known.id))
    if request.status is RequestStatus.PENDING and request.due_at <= now:
        return replace(request, status=RequestStatus.OVERDUE)
    return request


async def apply_pack(
    connection: Connection,
    *,
    account_id: str,
    agency_id: str,
    pack: Row,
    is_paid: bool,
    due_days_without_plan: int,
    now: datetime,
) -> PaymentRequest:
    """Credit the minute wallet at once and ask for the price. Raises 409 `pack_not_assigned`, `packs_disabled`."""
    client = await lock_client(connection, account_id, agency_id)
    assigned = await connection.fetch(QUERIES.assigned_packs, account_id)
    if pack["pack_id"] not in {each["pack_id"] for each in assigned}:
        raise ApiError(409, "pack_not_assigned", "The pack is not assigned to the client.")
    running = await connection.fetchrow(QUERIES.lock_running, account_id)
    terms = running["terms"] if running else await connection.fetchrow(QUERIES.plan, client["plan_id"], agency_id)
    if terms is not None and not terms["packs_allowed"]:
        raise ApiError(409, "packs_disabled", "The client's plan has packs off.")
    request = pack_request(
        account_id=account_id,
        subscription_id=running["subscription_id"] if running else None,
        name=pack["name"],
        minutes=pack["minutes"],
        currency=pack["currency"],
        price_cents=pack["price_cents"],
        due_days=due_days_without_plan if terms is None else terms["due_days"],
        is_paid=is_paid,
        at=now,
        make_id=new_id,
    )
    await insert_requests(connection, [request])
    await connection.execute(
        QUERIES.grant_minutes, account_id, pack["minutes"] * MS_PER_MINUTE, f"pack:{request.id}", now
    )
    await tell(connection, [Fact("payment_request_created", request)], now)
    return request
