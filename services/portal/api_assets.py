"""`/assets/…`: style and scripts of the pages."""

from pathlib import Path

from fastapi import APIRouter, Response

from services.portal.asset_files import FILES, TYPES, VERSION
from services.portal.context import PortalContext
from shared.http_errors import not_found

FOR_EVER = "public, max-age=31536000, immutable"


def build_router(_: PortalContext) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/assets/{version}/{name}")
    async def asset(version: str, name: str) -> Response:
        if version != VERSION or name not in FILES:
            raise not_found("file")
        headers = {"Cache-Control": FOR_EVER, "X-Content-Type-Options": "nosniff"}
        return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=headers)

    return router
