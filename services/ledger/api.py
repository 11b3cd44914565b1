"""The ledger's HTTP API; each module serves one resource."""

from fastapi import APIRouter

from services.ledger import api_accounts, api_keys, api_transactions
from services.ledger.context import LedgerContext

RESOURCES = (api_accounts, api_keys, api_transactions)


def build_router(context: LedgerContext) -> APIRouter:
    router = APIRouter()
    for resource in RESOURCES:
        router.include_router(resource.build_router(context))
    return router
