"""`/agency`: an agency's clients, plans and packs, and each client's Billing tab (contract §7, §8)."""

import asyncio
import re
import secrets
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.portal import agency
from services.portal.api_edge import page_router
from services.portal.asking import Answer, Visitor, require_token, visitor_of
from services.portal.context import PortalContext
from services.portal.store import QUERIES
from shared.contracts.fields_v1 import is_caller_id
from shared.http_errors import ApiError, not_found

OURS: Final = re.compile(r"[a-z]+_[0-9A-Za-z]{1,64}")


def build_router(context: PortalContext) -> APIRouter:
    router = page_router(context)

    async def show(request: Request, visitor: Visitor, template: str, answer: Answer | None = None) -> Response:
        """A page; with what an action was refused for."""
        values, billing, title = await asyncio.gather(
            _read(context, visitor, template, request),
            visitor.read("/v1/billing"),
            context.pool.fetchrow(QUERIES.title, visitor.account_id),
        )
        status = 200 if answer is None else answer.status
        more: dict[str, Any] = {
            **values,
            "title": title,
            "balance_cents": billing["balance_cents"],
            "session": visitor.session,
            "problem": None if answer is None else answer.problem,
            "once": secrets.token_urlsafe(16),
        }
        return context.pages.show(request, template, status=status, **more)

    async def done(request: Request, visitor: Visitor, template: str, answer: Answer, back: str) -> Response:
        return (
            RedirectResponse(back, status_code=303)
            if answer.is_good
            else await show(request, visitor, template, answer)
        )

    @router.get("/agency")
    async def clients(request: Request) -> Response:
        return await show(request, await _agency_of(context, request), "agency.html")

    @router.post("/agency")
    async def add_client(request: Request) -> Response:
        visitor = await _agency_of(context, request)
        form = await require_token(visitor, request)
        body = {"name": agency.text(form, "name"), "email": agency.text(form, "email") or None}
        answer = await visitor.ask("POST", "/v1/clients", json={k: v for k, v in body.items() if v is not None})
        back = f"/agency/clients/{answer.body['id']}" if answer.is_good else "/agency"
        return await done(request, visitor, "agency.html", answer, back)

    @router.get("/agency/offers")
    async def offers(request: Request) -> Response:
        return await show(request, await _agency_of(context, request), "agency_offers.html")

    @router.post("/agency/plans")
    @router.post("/agency/plans/{plan_id}")
    async def plan(request: Request, plan_id: str | None = None) -> Response:
        visitor = await _agency_of(context, request)
        form = await require_token(visitor, request)
        answer = await agency.save_plan(visitor, form, _ours(plan_id))
        return await done(request, visitor, "agency_offers.html", answer, "/agency/offers")

    @router.post("/agency/packs")
    @router.post("/agency/packs/{pack_id}")
    async def pack(request: Request, pack_id: str | None = None) -> Response:
        visitor = await _agency_of(context, request)
        form = await require_token(visitor, request)
        answer = await agency.save_pack(visitor, form, _ours(pack_id))
        return await done(request, visitor, "agency_offers.html", answer, "/agency/offers")

    @router.get("/agency/clients/{client_id}")
    async def client(request: Request, client_id: str) -> Response:
        return await show(request, await _agency_of(context, request), "agency_client.html")

    @router.post("/agency/clients/{client_id}/requests/{request_id}")
    async def payment_request(request: Request, client_id: str, request_id: str) -> Response:
        visitor = await _agency_of(context, request)
        form = await require_token(visitor, request)
        answer = await agency.set_request(visitor, _ours(request_id) or "", form)
        return await done(request, visitor, "agency_client.html", answer, f"/agency/clients/{client_id}#requests")

    @router.post("/agency/clients/{client_id}/{action}")
    async def change(request: Request, client_id: str, action: str) -> Response:
        visitor = await _agency_of(context, request)
        form = await require_token(visitor, request)
        pack_ids = [str(value) for value in (await request.form()).getlist("pack_ids")]
        _ours(agency.text(form, "pack_id") or None)
        answer = await agency.change_client(visitor, _client_id(client_id), action, form, pack_ids)
        return await done(request, visitor, "agency_client.html", answer, f"/agency/clients/{client_id}")

    return router


async def _read(context: PortalContext, visitor: Visitor, template: str, request: Request) -> dict[str, Any]:
    if template == "agency.html":
        return await agency.clients(visitor)
    if template == "agency_offers.html":
        return await agency.offers(visitor)
    return await agency.billing_tab(context, visitor, _client_id(request.path_params["client_id"]))


async def _agency_of(context: PortalContext, request: Request) -> Visitor:
    """The agency that is signed in; raises 403 for any other account."""
    visitor = await visitor_of(context, request)
    if not visitor.session.is_agency:
        raise ApiError(403, "forbidden", "This page is for agencies.")
    return visitor


def _client_id(text: str) -> str:
    """An id from the path, fit to be put into another; raises 404."""
    if not is_caller_id(text):
        raise not_found("client")
    return text


def _ours(text: str | None) -> str | None:
    """An id that we made, fit to be put into a path; raises 404."""
    if text is not None and not OURS.fullmatch(text):
        raise not_found("object")
    return text
