"""The portal's routes."""

from fastapi import APIRouter

from services.portal import api_agency, api_assets, api_billing, api_events, api_ops, api_sessions
from services.portal.context import PortalContext


def build_router(context: PortalContext) -> APIRouter:
    router = APIRouter()
    for part in (api_events, api_sessions, api_assets, api_billing, api_agency, api_ops):
        router.include_router(part.build_router(context))
    return router
