"""The ledger's HTTP API; each module serves one resource."""

from fastapi import APIRouter

from services.ledger import (
    api_accounts,
    api_clock,
    api_events,
    api_keys,
    api_numbers,
    api_prices,
    api_quotes,
    api_transactions,
    api_usage,
    api_wallet,
)
from services.ledger.context import LedgerContext

RESOURCES = (
    api_accounts,
    api_keys,
    api_events,
    api_transactions,
    api_prices,
    api_quotes,
    api_numbers,
    api_usage,
    api_wallet,
    api_clock,
)


def build_routers(context: LedgerContext) -> list[APIRouter]:
    return [resource.build_router(context) for resource in RESOURCES]
