"""What a client of an agency sees of its plan, read through the API (contract §7, §8)."""

import asyncio
from typing import Any, Final

from services.portal.asking import Visitor
from services.portal.context import PortalContext
from services.portal.customer import Query, Values

REQUESTS_SHOWN: Final = 50
OPEN: Final = ("pending", "overdue", "failed")
BANNERS: Final = {
    "client_disabled": ("bad", "This account is closed", "Your agency has closed this account. Please get in touch."),
    "subscription_blocked": (
        "bad",
        "Service is blocked",
        "The grace period ended without payment. Calls are refused until your agency starts a new subscription.",
    ),
    "payment_overdue": (
        "warn",
        "A payment is past due",
        "Calls and campaigns rest until it is paid. Please settle it with your agency.",
    ),
    "no_subscription": ("quiet", "No running subscription", "Calls are refused until a subscription is started."),
}


async def plan(context: PortalContext, visitor: Visitor, _: Query) -> Values:
    """Everything of the plan's side of the page; `account_id` may be a client of the agency that looks."""
    return await plan_of(context, visitor, visitor.account_id)


async def plan_of(context: PortalContext, visitor: Visitor, account_id: str) -> Values:
    path = f"/v1/clients/{account_id}"
    access, assigned, packs, subscription, usage, requests = await asyncio.gather(
        visitor.read(f"{path}/access"),
        visitor.read_if_any(f"{path}/plan"),
        visitor.read(f"{path}/packs"),
        visitor.read_if_any(f"{path}/subscription"),
        visitor.read(f"{path}/usage"),
        visitor.read("/v1/payment-requests", client_id=account_id, limit=REQUESTS_SHOWN),
    )
    running = subscription is not None and subscription["status"] != "canceled"
    terms = subscription["plan"] if running else assigned
    return {
        "account_id": account_id,
        "access": access,
        "assigned": assigned,
        "packs": packs["data"],
        "subscription": subscription,
        "is_running": running,
        "terms": terms,
        "usage": usage,
        "requests": requests["data"],
        "banners": banners(access, requests["data"]),
        "may_start": assigned is not None and assigned["client_may_start"] and not running,
        "problem": None,
    }


def banners(access: dict[str, Any], requests: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """(tone, title, text): why something is closed, else what is still to be paid."""
    if access["reason"] is not None:
        return [BANNERS[access["reason"]]]
    found = []
    outstanding = [request for request in requests if request["status"] in OPEN]
    if outstanding:
        one = len(outstanding) == 1
        title = "A payment is outstanding" if one else f"{len(outstanding)} payments are outstanding"
        found.append(
            (
                "quiet",
                title,
                "Your agency collects it; nothing is charged here."
                if one
                else "Your agency collects them; nothing is charged here.",
            )
        )
    if not access["campaigns"]:
        found.append(("warn", "Campaigns are paused", "They go on when minutes are available again."))
    return found
