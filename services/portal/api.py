"""The portal's routes."""

from fastapi import APIRouter

from services.portal import api_agency, api_assets, api_billing, api_events, api_ops, api_sessions
from services.portal.context import PortalContext


def build_routers(context: PortalContext) -> list[APIRouter]:
    parts = (api_events, api_sessions, api_assets, api_billing, api_agency, api_ops)
    return [part.build_router(context) for part in parts]
