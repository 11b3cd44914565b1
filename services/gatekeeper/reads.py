"""What became of a check, and what an account holds: reads through the ledger's views, off the hot path."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.gatekeeper import store
from services.gatekeeper.answers import GRANTED, Answer
from shared.clock import Clock, rfc3339
from shared.contracts.fields_v1 import ID_PATTERN, is_caller_id
from shared.http_app import readable_errors
from shared.http_errors import ApiError, invalid_request, not_found
from shared.money import cents_ceil, usd_text
from shared.postgres.reading import Reading

State = Literal["open", "billed", "released", "orphaned"]


class CheckQuery(BaseModel):
    """Query of `GET /v1/checks/{kind}/{id}`."""

    model_config = ConfigDict(frozen=True)

    account_id: Annotated[str, StringConstraints(pattern=ID_PATTERN)]


class HoldsQuery(CheckQuery):
    """Query of `GET /v1/holds`."""

    state: State | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


def check_query(query_string: bytes) -> CheckQuery:
    """Raises 422 for what is missing or wrong; the last of several wins, unknown names are ignored."""
    with _naming_faults():
        return CheckQuery.model_validate(_pairs(query_string))


def holds_query(query_string: bytes) -> HoldsQuery:
    """As `check_query`."""
    with _naming_faults():
        return HoldsQuery.model_validate(_pairs(query_string))


def _pairs(query_string: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise invalid_request([("query", str(error))]) from None


@contextmanager
def _naming_faults() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise invalid_request(readable_errors(error.errors(include_url=False, include_input=False))) from None


@dataclass(frozen=True, slots=True)
class Reader:
    """Answers reads; raises 404 `account_not_found` and `not_found`."""

    reads: Reading
    clock: Clock

    async def show(self, kind: str, ref_id: str, query: CheckQuery) -> Answer:
        """`GET /v1/checks/{kind}/{id}`: the hold; else the bill that needed none; else the last refusal."""
        hold, billed, code = None, None, None
        if is_caller_id(ref_id):
            hold, billed, code = await store.find_check(self.reads, query.account_id, kind, ref_id)
        if hold is not None:
            return Answer(200, self._shown(hold) | _billed_late(hold, billed))
        nothing = {"granted_seconds": None, "held_usd": "0.00", "held_cents": 0}
        if billed is not None:
            return Answer(200, {"state": "billed", **nothing, "transaction_id": billed["transfer_id"], "code": None})
        if code is not None:
            return Answer(200, {"state": "refused", **nothing, "transaction_id": None, "code": code})
        await self._require_account(query.account_id)
        raise not_found("check")

    async def list_holds(self, query: HoldsQuery) -> Answer:
        """`GET /v1/holds`: newest first."""
        rows, total = await store.list_holds(
            self.reads, query.account_id, query.state, self.clock.now(), limit=query.limit, offset=query.offset
        )
        if not total:
            await self._require_account(query.account_id)
        page = {"total": total, "limit": query.limit, "offset": query.offset}
        return Answer(200, {"data": [_named(row) | self._shown(row) for row in rows], **page})

    async def _require_account(self, account_id: str) -> None:
        if not await store.knows_account(self.reads, account_id):
            raise ApiError(404, "account_not_found", "There is no such account.")

    def _shown(self, row: asyncpg.Record) -> dict[str, Any]:
        held_cents = cents_ceil(row["amount_micros"])
        has_run_out = row["state"] == "open" and row["expires_at"] <= self.clock.now()
        granted = {"granted_seconds": None, GRANTED[row["kind"]]: row["granted"]}
        return {
            "state": "orphaned" if has_run_out else row["state"],
            **granted,
            "held_usd": usd_text(held_cents),
            "held_cents": held_cents,
            "transaction_id": row["transfer_id"],
            "code": None,
            "hold_id": row["hold_id"],
            "final": row["is_final"],
            "created_at": rfc3339(row["created_at"]),
            "expires_at": rfc3339(row["expires_at"]),
            "closed_at": None if row["closed_at"] is None else rfc3339(row["closed_at"]),
        }


def _named(row: asyncpg.Record) -> dict[str, Any]:
    return {"account_id": row["shown_account_id"], "kind": row["kind"], "id": row["shown_ref_id"]}


def _billed_late(hold: asyncpg.Record, billed: asyncpg.Record | None) -> dict[str, Any]:
    """Usage that came after a release or an expiry was charged all the same."""
    if billed is None or hold["transfer_id"] is not None:
        return {}
    return {"state": "billed", "transaction_id": billed["transfer_id"]}
