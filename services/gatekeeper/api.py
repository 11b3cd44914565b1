"""The gate's routes as FastAPI documents them. They are served by `hot` before FastAPI sees the request."""

from typing import Any, Literal, NoReturn

from fastapi import APIRouter, Query

from services.gatekeeper.reads import State
from shared.contracts.checks_v1 import CallCheck, CampaignCheck, ChatCheck, Extension, Release, SmsCheck

_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "`destination_not_priced`, `invalid_json`"},
    402: {"description": "Refused: the code says why, a reject event has been left"},
    404: {"description": "`account_not_found`, `not_found`"},
    409: {"description": "`idempotency_key_reused`, `released`, `already_billed`"},
    503: {"description": "`billing_unavailable`: the books are out of reach; Retry-After"},
}


def _served_elsewhere() -> NoReturn:
    raise AssertionError("the hot routes answer before FastAPI does")


def build_router() -> APIRouter:
    """For the OpenAPI document alone."""
    router = APIRouter(prefix="/v1", tags=["gate"], responses=_REFUSALS)

    @router.post("/checks/call", summary="May this call start?")
    async def check_call(body: CallCheck) -> dict[str, Any]:
        _served_elsewhere()

    @router.post("/checks/sms", summary="May this message be sent or taken?")
    async def check_sms(body: SmsCheck) -> dict[str, Any]:
        _served_elsewhere()

    @router.post("/checks/chat", summary="May these chat messages be answered?")
    async def check_chat(body: ChatCheck) -> dict[str, Any]:
        _served_elsewhere()

    @router.post("/checks/campaign", summary="May this campaign start? Holds nothing")
    async def check_campaign(body: CampaignCheck) -> dict[str, Any]:
        _served_elsewhere()

    @router.post("/checks/call/{call_id}/extend", summary="More seconds for a call; the total from its start")
    async def extend_call(call_id: str, body: Extension) -> dict[str, Any]:
        _served_elsewhere()

    @router.post("/checks/{kind}/{id}/release", summary="Free the hold; a late check is refused")
    async def release_check(kind: Literal["call", "sms", "chat"], id: str, body: Release) -> dict[str, Any]:
        _served_elsewhere()

    @router.get("/checks/{kind}/{id}", summary="What became of a check")
    async def show_check(kind: Literal["call", "sms", "chat", "campaign"], id: str, account_id: str) -> dict[str, Any]:
        _served_elsewhere()

    @router.get("/holds", summary="An account's holds, newest first")
    async def list_holds(
        account_id: str,
        state: State | None = None,
        limit: int = Query(50, ge=1, le=200),
        offset: int = Query(0, ge=0),
    ) -> dict[str, Any]:
        _served_elsewhere()

    return router
