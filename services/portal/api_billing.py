"""`/billing`: the page of a customer, and of an agency's client (contract §8)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.portal import client, customer, sessions
from services.portal.api_edge import page_router
from services.portal.asking import Answer, Visitor, require_token, visitor_of
from services.portal.context import PortalContext
from services.portal.customer import Query, Values
from services.portal.store import QUERIES
from services.portal.words import cents_of
from shared.http_errors import ApiError, not_found
from shared.session_access import cookie_of
from shared.sessions import COOKIE

Read = Callable[[PortalContext, Visitor, Query], Awaitable[Values]]

SECTIONS: Final[dict[str, Read]] = {
    "wallet": customer.wallet,
    "spend": customer.spend,
    "funds": customer.funds,
    "reload": customer.reload,
    "cards": customer.cards,
    "transactions": customer.transactions,
    "notice": customer.notice,
}
PLAN: Final[dict[str, Read]] = {"plan": client.plan}
NO_AMOUNT = "Enter an amount in dollars, such as 25 or 12.50."


def build_router(context: PortalContext) -> APIRouter:
    router = page_router(context)

    @router.get("/billing")
    async def billing(request: Request) -> Response:
        visitor = await visitor_of(context, request)
        sections = {**PLAN, **SECTIONS} if visitor.session.parent_id else SECTIONS
        read = await asyncio.gather(*(read(context, visitor, request.query_params) for read in sections.values()))
        title = await context.pool.fetchrow(QUERIES.title, visitor.account_id)
        parts = dict(zip(sections, read, strict=True))
        return context.pages.show(
            request, "billing.html", with_cards=True, parts=parts, title=title, session=visitor.session
        )

    @router.get("/billing/parts/{name}")
    async def part(request: Request, name: str) -> Response:
        visitor = await visitor_of(context, request)
        read = {**PLAN, **SECTIONS}.get(name)
        if read is None or (name in PLAN and visitor.session.parent_id is None):
            raise not_found("part")
        return _part(context, request, visitor, name, await read(context, visitor, request.query_params))

    @router.get("/billing/transactions.csv")
    async def csv(request: Request) -> Response:
        visitor = await visitor_of(context, request)
        asked = {
            name: request.query_params[name]
            for name in ("kind", "start_date", "end_date")
            if request.query_params.get(name)
        }
        answer = await visitor.api.get(
            "/v1/billing/transactions", params=asked, headers={**visitor.headers, "Accept": "text/csv"}
        )
        headers = {"Content-Disposition": 'attachment; filename="transactions.csv"', "Cache-Control": "no-store"}
        return Response(answer.content, answer.status_code, headers, media_type=answer.headers["content-type"])

    @router.get("/billing/receipts/{transaction_id}")
    async def receipt(request: Request, transaction_id: int) -> Response:
        visitor = await visitor_of(context, request)
        found = await visitor.read(f"/v1/billing/transactions/{transaction_id}/receipt")
        return RedirectResponse(found["receipt_url"], status_code=303)

    @router.post("/signout")
    async def sign_out(request: Request) -> Response:
        cookie = cookie_of(dict(request.scope))
        session = await context.host.sessions.of_cookie(cookie)
        form = await request.form()
        answer = RedirectResponse("/billing", status_code=303)
        if session is not None and cookie is not None and session.is_page_token(str(form.get("csrf", ""))):
            await sessions.leave(context.pool, cookie)
            answer.delete_cookie(COOKIE, path="/")
        return answer

    _changes(router, context)
    if context.settings.api_url:
        _hosted_setup(router, context)
    return router


def _hosted_setup(router: APIRouter, context: PortalContext) -> None:
    """`/billing/setup-checkout`, where payments, which serves it otherwise, is another process."""

    @router.get("/billing/setup-checkout")
    async def setup_checkout(request: Request) -> Response:
        visitor = await visitor_of(context, request)
        back = f"{(context.settings.public_url or str(request.base_url)).rstrip('/')}/billing"
        answer = await visitor.ask("POST", "/v1/billing/setup-checkout", json={"return_url": back})
        if not answer.is_good:
            raise ApiError(answer.status, answer.body["error"]["code"], answer.body["error"]["message"])
        return RedirectResponse(answer.body["url"], status_code=303)


def _changes(router: APIRouter, context: PortalContext) -> None:
    async def section(request: Request, visitor: Visitor, name: str, answer: Answer, **more: Any) -> Response:
        """The section anew, with what went wrong; a browser without scripts gets the whole page."""
        if "hx-request" not in request.headers and answer.is_good:
            return RedirectResponse("/billing", status_code=303)
        values = await {**PLAN, **SECTIONS}[name](context, visitor, {})
        return _part(context, request, visitor, name, {**values, "problem": answer.problem, **more})

    @router.post("/billing/auto-reload")
    async def auto_reload(request: Request) -> Response:
        visitor = await visitor_of(context, request)
        form = await require_token(visitor, request)
        amounts = {name: str(form.get(name, "")) for name in ("minimum", "amount", "limit")}
        cents = {name: cents_of(text) for name, text in amounts.items()}
        if cents["minimum"] is None or cents["amount"] is None or (amounts["limit"] and cents["limit"] is None):
            return await section(request, visitor, "reload", _refused(NO_AMOUNT))
        change = {
            "auto_reload_enabled": form.get("enabled") == "on",
            "auto_reload_minimum_cents": cents["minimum"],
            "auto_reload_amount_cents": cents["amount"],
            "auto_reload_monthly_limit_cents": cents["limit"],
        }
        answer = await visitor.ask("PATCH", "/v1/billing", json=change)
        return await section(request, visitor, "reload", answer, saved=answer.is_good)

    @router.post("/billing/cards/{card_id}/default")
    async def default(request: Request, card_id: str) -> Response:
        visitor = await visitor_of(context, request)
        await require_token(visitor, request)
        body = {"payment_method_id": card_id}
        return await section(
            request, visitor, "cards", await visitor.ask("POST", "/v1/billing/default-payment-method", json=body)
        )

    @router.post("/billing/cards/{card_id}/remove")
    async def remove(request: Request, card_id: str) -> Response:
        visitor = await visitor_of(context, request)
        await require_token(visitor, request)
        answer = await visitor.ask("DELETE", f"/v1/billing/payment-methods/{card_id}")
        return await section(request, visitor, "cards", answer)

    @router.post("/billing/subscription")
    async def start(request: Request) -> Response:
        visitor = await visitor_of(context, request)
        await require_token(visitor, request)
        answer = await visitor.ask("POST", f"/v1/clients/{visitor.account_id}/subscription")
        return await section(request, visitor, "plan", answer)


def _part(context: PortalContext, request: Request, visitor: Visitor, name: str, values: Values) -> Response:
    return context.pages.show(request, f"parts/{name}.html", session=visitor.session, **values)


def _refused(message: str) -> Answer:
    return Answer(422, {"error": {"code": "invalid_request", "message": message}})
