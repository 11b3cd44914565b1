"""Stripe's own client, as a service would set it up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import stripe

API_VERSION = "2026-05-27.dahlia"


@asynccontextmanager
async def stripe_client(
    api_base: str, key: str, *, retries: int = 0, timeout_seconds: float = 10
) -> AsyncIterator[stripe.StripeClient]:
    http = stripe.HTTPXClient(timeout=httpx.Timeout(timeout_seconds))
    try:
        yield stripe.StripeClient(
            key,
            http_client=http,
            stripe_version=API_VERSION,
            max_network_retries=retries,
            base_addresses={"api": api_base},
        )
    finally:
        await http.close_async()
