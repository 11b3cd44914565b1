"""What the pages have in common: who is not signed in, what was refused and what is out of reach reads as a page."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from services.portal.asking import NotSignedIn
from services.portal.context import PortalContext
from shared.http_errors import ApiError
from shared.postgres.pool import OUTAGES

OVER = ("Please sign in again", "You are not signed in, or your half hour is over. Open a fresh sign-in link.")
OUT_OF_REACH = ("Billing is out of reach", "Nothing is lost. Please try again in a moment.")


def page_router(context: PortalContext) -> APIRouter:
    """A router of pages: not in the specification, errors as pages."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def answer_as_page(request: Request) -> Response:
                try:
                    return await handler(request)
                except NotSignedIn:
                    return _message(context, request, 401, *OVER)
                except ApiError as error:
                    return _message(context, request, error.status, "That did not work", error.message)
                except OUTAGES:
                    return _message(context, request, 503, *OUT_OF_REACH)

            return answer_as_page

    return APIRouter(include_in_schema=False, route_class=PageRoute)


def _message(context: PortalContext, request: Request, status: int, title: str, text: str) -> Response:
    answer = context.pages.show(request, "message.html", status=status, heading=title, text=text)
    if status == 401 and "hx-request" in request.headers:
        answer.headers["HX-Refresh"] = "true"
    return answer
