"""Cookies on the API: what a signed-in browser may do there (contract §0, "A portal session").

A cookie is never a key: it reads its own account's routes, and with the page's CSRF token does a few things more.
A request that may pass goes on as its account's own, with an Authorization that only this process can make.
"""

import re
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from shared.access import Access, Kind, Principal
from shared.edge import Receive, Send, header
from shared.http_errors import ApiError, forbidden, not_found
from shared.service import Asgi
from shared.sessions import COOKIE, Session, Sessions

CSRF_HEADER = b"x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OUR_OWN = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site: asked for by a page of ours, or by the person themselves."""

ACCOUNT_HEADER = b"ringfence-account"

_READS = re.compile(r"/v1/(?:billing|wallet|plans|packs|clients|payment-requests)(?:/.*)?|/v1/events")
_OWN_EVENTS = re.compile(r"/v1/accounts/([^/]+)/events")
_OWN_START = re.compile(r"/v1/clients/([^/]+)/subscription")
_CHANGES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("POST", re.compile(r"/v1/billing/(?:top-up|setup-intent|setup-checkout|default-payment-method)")),
    ("DELETE", re.compile(r"/v1/billing/payment-methods/[^/]+")),
    ("PATCH", re.compile(r"/v1/billing")),
    ("POST", re.compile(r"/v1/wallet/topup")),
    ("PATCH", re.compile(r"/v1/wallet/auto-recharge")),
)


def cookie_of(scope: dict[str, Any]) -> str | None:
    """The session's cookie of a request; None when it brings none, or several that differ."""
    values = set()
    for name, text in scope["headers"]:
        if name == b"cookie":
            try:
                jar: SimpleCookie = SimpleCookie(text.decode("latin-1"))
            except CookieError:
                continue
            if COOKIE in jar:
                values.add(jar[COOKIE].value)
    return values.pop() if len(values) == 1 else None


def refuse_other_sites(scope: dict[str, Any]) -> None:
    """Raise 403 for a change that a page of another site asks for with this browser's cookie.

    Browsers say where a request comes from; those too old for Sec-Fetch-Site still name the Origin. Who sends
    neither is no browser, and has the page's token to show, like everybody else.
    """
    site = header(scope, b"sec-fetch-site")
    origin = header(scope, b"origin")
    if site is not None:
        is_ours = site in OUR_OWN
    else:
        is_ours = origin is None or urlsplit(origin).netloc == header(scope, b"host")
    if not is_ours:
        raise ApiError(403, "forbidden", "Changes can’t be asked for by a page of another site.")


class SessionAccess:
    """Stands before every route. Without a cookie, or with a key, a request passes as it came."""

    def __init__(self, app: Asgi, sessions: Sessions, access: Access) -> None:
        self._app = app
        self._sessions = sessions
        self._access = access

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        cookie = None
        if scope["type"] == "http" and header(scope, b"authorization") is None:
            cookie = cookie_of(scope)
        if cookie is not None and scope["method"] not in SAFE_METHODS:
            refuse_other_sites(scope)
        if cookie is not None and scope["path"].startswith("/v1/"):
            scope = await self._admitted(scope, cookie)
        await self._app(scope, receive, send)

    async def _admitted(self, scope: dict[str, Any], cookie: str) -> dict[str, Any]:
        session = await self._sessions.of_cookie(cookie)
        if session is None:
            raise ApiError(401, "unauthorized", "The session is over; open a new sign-in link.")
        if session.account_id is None:
            raise forbidden()
        _refuse_what_a_session_may_not(scope, session)
        kind: Kind = "agency" if session.is_agency else "account"
        principal = Principal(kind, session.account_id, session.session_id)
        headers = [pair for pair in scope["headers"] if pair[0] != ACCOUNT_HEADER]
        if session.is_agency:
            headers.append((ACCOUNT_HEADER, session.account_id.encode()))
        headers.append((b"authorization", self._access.lend(principal).encode()))
        state = scope.setdefault("state", {})
        state["session"] = session
        return {**scope, "headers": headers}


def _refuse_what_a_session_may_not(scope: dict[str, Any], session: Session) -> None:
    method, path = scope["method"], scope["path"]
    if header(scope, ACCOUNT_HEADER) not in (None, session.account_id):
        raise not_found("account")
    if method in ("GET", "HEAD"):
        own = _OWN_EVENTS.fullmatch(path)
        if own is not None and own[1] != session.account_id:
            raise not_found("account")
        if own is None and not _READS.fullmatch(path):
            raise forbidden()
        return
    if not _may_change(method, path, session):
        raise forbidden()
    if not session.is_page_token(header(scope, CSRF_HEADER) or ""):
        raise ApiError(403, "forbidden", "The page's token is missing or not valid; load the page again.")


def _may_change(method: str, path: str, session: Session) -> bool:
    if any(method == allowed and pattern.fullmatch(path) for allowed, pattern in _CHANGES):
        return True
    start = _OWN_START.fullmatch(path)
    return method == "POST" and start is not None and start[1] == session.account_id
