"""`/v1/prices` and `/v1/accounts/{id}/prices`: publish and read versions (contract §4; platform key)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from services.ledger import prices
from services.ledger.api_edge import books_router, platform_account
from services.ledger.context import LedgerContext
from shared.api_edge import platform_only
from shared.contracts.ledger_api_v1 import AccountPrices, PublishedBook
from shared.http_app import OrjsonResponse
from shared.http_errors import not_found
from shared.postgres.pool import transaction

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(tags=["prices"])
    pool, clock = context.pool, context.host.clock
    is_platform, account_in_path = platform_only(context.host.access), platform_account(context)

    @router.put(
        "/v1/prices",
        response_model=PublishedBook,
        summary="Publish a new version of the price book",
        dependencies=[is_platform],
    )
    async def publish(body: dict[str, Any]) -> Response:
        book = await prices.checked_book(body, now=clock.now())
        async with transaction(pool) as connection:
            published = await prices.publish_book(connection, book, now=clock.now())
        await context.prices.learn()
        return OrjsonResponse(published)

    @router.get(
        "/v1/prices",
        response_model=PublishedBook,
        summary="Read the price book in force, or a version",
        dependencies=[is_platform],
    )
    async def read(version: Version = None) -> Response:
        async with pool.acquire() as connection:
            book = await prices.read_published(connection, version, now=clock.now())
        if book is None:
            raise not_found("version of the price book")
        return OrjsonResponse(book)

    @router.put(
        "/v1/accounts/{account_id}/prices", response_model=AccountPrices, summary="Publish an account's own prices"
    )
    async def publish_own(body: dict[str, Any], account_id: str = account_in_path) -> Response:
        async with transaction(pool) as connection:
            published = await prices.publish_account_prices(connection, account_id, body, now=clock.now())
        await context.prices.learn([account_id])
        return OrjsonResponse(published)

    @router.get(
        "/v1/accounts/{account_id}/prices",
        response_model=AccountPrices,
        summary="Read an account's own prices in force, or a version",
    )
    async def read_own(version: Version = None, account_id: str = account_in_path) -> Response:
        async with pool.acquire() as connection:
            own = await prices.read_account_prices(connection, account_id, version, now=clock.now())
        if own is None:
            raise not_found("version of this account's prices")
        return OrjsonResponse(own)

    return router
