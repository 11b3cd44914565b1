"""The HTTP API of subscriptions; each module serves one resource."""

from fastapi import APIRouter

from services.subscriptions import api_clients, api_packs, api_payment_requests, api_plans, api_subscriptions
from services.subscriptions.context import SubscriptionsContext

RESOURCES = (api_plans, api_packs, api_clients, api_subscriptions, api_payment_requests)


def build_routers(context: SubscriptionsContext) -> list[APIRouter]:
    return [resource.build_router(context) for resource in RESOURCES]
