"""Payments: cards charged, credits brought to the books, refunds and disputes mirrored. Start reading here.

A charge is committed before it is sent (charging.py), sent with its own id as key (stripe_provider.py), and its
answer reaches the books by one path, in the commit of its credit (applying.py). What crashes leave is found by
the sweep (sweep.py), what webhooks lose by the event pull (inbox.py), and the audit compares (invariants.py).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter

from services.payments import api_billing, api_pages, api_refunds, api_stripe, api_wallet
from services.payments.context import Context
from services.payments.hears import QUEUES, consumers
from services.payments.inbox import InboxWorker, pull
from services.payments.measures import measure_payments
from services.payments.provider import ProviderUnavailable
from services.payments.settings import PaymentsSettings
from services.payments.store import SQL
from services.payments.stripe_provider import StripeProvider
from services.payments.sweep import sweep
from shared.service import Host, Job, Running, Service

SAYS = (
    "charge_succeeded",
    "charge_failed",
    "charge_requires_action",
    "charge_refunded",
    "charge_disputed",
    "auto_reload_succeeded",
    "auto_reload_failed",
    "auto_reload_paused",
    "auto_reload_capped",
    "payment_method_attached",
    "payment_method_removed",
    "account_suspended",
    "account_reinstated",
)


@asynccontextmanager
async def open_context(host: Host) -> AsyncIterator[Context]:
    """Payments without its routes and consumers: its pool and its provider, as the settings say."""
    ours = host.settings
    settings = PaymentsSettings(environment=ours.environment, test_clock=ours.test_clock)
    async with host.open_pool("payments") as pool:
        provider = StripeProvider(settings, await pool.fetchval(SQL.installation_id))
        context = Context(host=host, pool=pool, provider=provider, settings=settings)
        try:
            yield context
        finally:
            await context.finish()
            await provider.close()


@asynccontextmanager
async def start(host: Host) -> AsyncIterator[Running]:
    """Open payments on a host."""
    async with open_context(host) as context:
        inbox = InboxWorker(context)

        async def is_ready() -> bool:
            return await context.pool.fetchval("SELECT true") is True

        yield Running(
            routers=_routers(context, inbox),
            consumers=(inbox, *consumers(context, inbox)),
            jobs=_jobs(context, inbox),
            ready=is_ready,
            measure=measure_payments(context),
        )


def _routers(context: Context, inbox: InboxWorker) -> list[APIRouter]:
    ours = (api_billing, api_wallet, api_refunds, api_pages)
    return [*(resource.build_router(context) for resource in ours), api_stripe.build_router(context, inbox)]


def _jobs(context: Context, inbox: InboxWorker) -> tuple[Job, ...]:
    async def sweep_charges() -> None:
        await sweep(context)

    async def pull_events() -> None:
        try:
            if await pull(context):
                inbox.kick()
        except ProviderUnavailable:
            return  # the next pull begins where this one did

    return (
        Job("sweep_charges", context.settings.sweep_seconds, sweep_charges),
        Job("pull_provider_events", context.settings.event_pull_seconds, pull_events),
    )


PAYMENTS = Service("payments", hears=tuple(queue.name for queue in QUEUES), says=SAYS, start=start)
