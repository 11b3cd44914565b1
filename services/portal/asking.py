"""Pages ask the HTTP API with the rights of whoever is signed in, so they can show no more than it would tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx
from fastapi import Request

from services.portal import sessions
from services.portal.context import PortalContext
from shared.edge import Edge
from shared.http_errors import ApiError
from shared.session_access import cookie_of
from shared.sessions import Session

TIMEOUT_SECONDS = 60.0


class NotSignedIn(Exception):
    """The browser has no session, or one that is over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said; `body` is its JSON, None where there is none."""

    status: int
    body: Any

    @property
    def is_good(self) -> bool:
        return self.status < 400

    @property
    def problem(self) -> str | None:
        """The refusal in words, for a person."""
        if self.is_good:
            return None
        error = self.body["error"]
        fields = "; ".join(f"{field['path']}: {field['message']}" for field in error.get("fields", ()))
        return fields or str(error["message"])


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page, and their way to the API."""

    session: Session
    account_id: str
    api: httpx.AsyncClient
    headers: Mapping[str, str]

    async def read(self, path: str, **query: Any) -> Any:
        """The JSON of a GET; raises the API's refusal."""
        answer = await self.ask("GET", path, query=query)
        if not answer.is_good:
            error = answer.body["error"]
            raise ApiError(answer.status, error["code"], error["message"])
        return answer.body

    async def read_if_any(self, path: str, **query: Any) -> Any:
        """The same; None where there is nothing."""
        answer = await self.ask("GET", path, query=query)
        return answer.body if answer.is_good else None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, Any] | None = None,
        once: str | None = None,
    ) -> Answer:
        """Any request; a refusal is an answer. `once`: the key under which it is done once, however often sent."""
        headers = {**self.headers, "Idempotency-Key": once} if once else self.headers
        params = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        answer = await self.api.request(method, path, json=json, params=params, headers=headers)
        return Answer(answer.status_code, answer.json() if answer.content else None)


async def visitor_of(context: PortalContext, request: Request) -> Visitor:
    """Who is signed in to an account; raises `NotSignedIn`."""
    cookie = cookie_of(dict(request.scope))
    session = await context.host.sessions.of_cookie(cookie)
    if session is None or session.account_id is None or cookie is None:
        raise NotSignedIn
    headers = {"Authorization": f"Bearer {await sessions.page_key(context.pool, cookie)}"}
    if session.is_agency:
        headers["Ringfence-Account"] = session.account_id
    return Visitor(session, session.account_id, _client(context, request), headers)


def _client(context: PortalContext, request: Request) -> httpx.AsyncClient:
    """To the API in this process, or to where the setting says. Links it makes lead to where the browser is."""
    if context.api is not None:
        return context.api
    base = context.settings.public_url or str(request.base_url)
    transport = httpx.ASGITransport(cast(Any, Edge(request.app)))
    return httpx.AsyncClient(transport=transport, base_url=base, timeout=TIMEOUT_SECONDS)


async def require_token(visitor: Visitor, request: Request) -> Mapping[str, Any]:
    """The form of a request that changes something; raises 403 unless it came from a page of this session."""
    form = await request.form()
    if not visitor.session.is_page_token(str(form.get("csrf", ""))):
        raise ApiError(403, "forbidden", "The page's token is missing or not valid; load the page again.")
    return form
