"""Rendering and the headers of every hosted page: nothing from outside, no inline script, no caching."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response

FOLDER = Path(__file__).parent
_PAGES = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
_ASSETS = {"standin.css": "text/css", "done.js": "text/javascript", "stripe.js": "text/javascript"}


def render(
    template: str, *, status: int = 200, goes_to: tuple[str | None, ...] = (), frame: bool = False, **values: Any
) -> HTMLResponse:
    """`goes_to` are URLs a form of the page may lead to; `frame` lets stripe.js show the page in a frame."""
    origins = sorted({_origin(url) for url in goes_to if url})
    policy = "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'" if frame else "script-src 'none'",
            "base-uri 'none'",
            " ".join(("form-action 'self'", *origins)),
            "frame-ancestors *" if frame else "frame-ancestors 'none'",
        )
    )
    headers = {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return HTMLResponse(_PAGES.get_template(template).render(**values), status, headers)


def message(title: str, text: str, *, status: int = 200, link: str | None = None, frame: bool = False) -> HTMLResponse:
    return render(
        "message.html",
        status=status,
        frame=frame,
        title=title,
        text=text,
        link=link,
        tells_opener=False,
        intent_id="",
        intent_status="",
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def asset(http: HttpRequest) -> Response:
    name = http.path_params["name"]
    if name not in _ASSETS:
        return Response(status_code=404)
    return _file(name)


async def stripe_js(http: HttpRequest) -> Response:
    return _file("stripe.js")


def _file(name: str) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response((FOLDER / name).read_bytes(), headers=headers, media_type=_ASSETS[name])
