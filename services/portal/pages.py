"""Templates to answers: everything escaped, and headers that let nothing in that is not ours."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.portal import words
from services.portal.asset_files import asset_path

FOLDER = Path(__file__).parent
SELF = "'self'"


class Pages:
    """Renders `templates/`; `card_origins` are the payment provider's, needed where its script runs."""

    def __init__(self, card_origins: tuple[str, ...] = ()) -> None:
        self._card_origins = card_origins
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(words.FILTERS)
        self._templates.globals.update(words.GLOBALS, asset=asset_path)

    def show(
        self, request: Request, template: str, *, status: int = 200, with_cards: bool = False, **values: Any
    ) -> HTMLResponse:
        """One page or part of one. `with_cards`: the provider's script may run on it."""
        html = self._templates.get_template(template).render(request=request, **values)
        return HTMLResponse(html, status_code=status, headers=self._headers(with_cards))

    def _headers(self, with_cards: bool) -> dict[str, str]:
        theirs = self._card_origins if with_cards else ()
        policy = {
            "default-src": ("'none'",),
            "script-src": (SELF, *theirs),
            "style-src": (SELF,),
            "img-src": (SELF, "data:"),
            "font-src": (SELF,),
            "connect-src": (SELF, *theirs),
            "frame-src": theirs or ("'none'",),
            "form-action": (SELF,),
            "base-uri": ("'none'",),
            "frame-ancestors": ("'none'",),
        }
        return {
            "Content-Security-Policy": "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items()),
            "X-Frame-Options": "DENY",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
            "Cache-Control": "no-store",
        }
