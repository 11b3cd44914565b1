"""Style and scripts, each under the hash of its content: kept by browsers for ever, never stale."""

import hashlib
from pathlib import Path

from fastapi import APIRouter, Response

from services.portal.context import PortalContext
from shared.http_errors import not_found

FOLDER = Path(__file__).parent / "assets"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}
VERSION = hashlib.sha256(b"".join(FILES.values())).hexdigest()[:12]


def build_router(_: PortalContext) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/assets/{version}/{name}")
    async def asset(version: str, name: str) -> Response:
        if version != VERSION or name not in FILES:
            raise not_found("file")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=headers)

    return router
