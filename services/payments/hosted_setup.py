"""A fresh Stripe-hosted page on which the customer saves a card."""

from services.payments.cards import ensure_customer
from services.payments.context import Context

BILLING_PAGE = "/billing"


async def fresh_setup_checkout(
    context: Context, account_id: str, *, base_url: str, return_url: str | None = None
) -> str:
    """Where to send the browser; it comes back to `return_url`, by default our billing page.

    `base_url` is how the caller reached us; a setting overrides it. Raises `ProviderUnavailable`.
    """
    ours = (context.settings.public_url or base_url).rstrip("/") + BILLING_PAGE
    customer_id = await ensure_customer(context, account_id)
    return await context.provider.start_hosted_setup(account_id, customer_id, return_url or ours, return_url or ours)
