"""`/v1/accounts/{id}/keys`: make, list, revoke (contract §4; platform key)."""

from fastapi import APIRouter, Request, Response

from services.ledger import keys
from services.ledger.api_edge import books_router, known_id, platform_account, secret_of_request
from services.ledger.context import LedgerContext
from shared.api_edge import Limit, Offset
from shared.contracts.fields_v1 import Strict, Text
from shared.contracts.ledger_api_v1 import Key, NewKey, Page
from shared.http_app import OrjsonResponse
from shared.http_errors import not_found
from shared.postgres.pool import transaction


class KeyWanted(Strict):
    name: Text | None = None


NAMELESS = KeyWanted()


def build_router(context: LedgerContext) -> APIRouter:
    router = books_router(prefix="/v1/accounts/{account_id}/keys", tags=["accounts"])
    pool, clock = context.pool, context.host.clock
    account_in_path = platform_account(context)

    @router.post("", response_model=NewKey, status_code=201, summary="Make a key; it is shown once")
    async def create(request: Request, body: KeyWanted = NAMELESS, account_id: str = account_in_path) -> Response:
        secret = keys.secret_from(secret_of_request(request), keys.new_salt())
        async with transaction(pool) as connection:
            key = await keys.add_account_key(connection, account_id, secret, name=body.name, now=clock.now())
        return OrjsonResponse({**key, "api_key": secret}, status_code=201)

    @router.get("", response_model=Page[Key], summary="List keys")
    async def list_all(limit: Limit = 50, offset: Offset = 0, account_id: str = account_in_path) -> Response:
        async with pool.acquire() as connection:
            return OrjsonResponse(await keys.list_keys(connection, account_id, limit=limit, offset=offset))

    @router.delete("/{key_id}", status_code=204, summary="Revoke a key; it ends within seconds")
    async def revoke(key_id: str, account_id: str = account_in_path) -> Response:
        async with transaction(pool) as connection:
            if not await keys.revoke_key(connection, account_id, known_id(key_id, "key"), now=clock.now()):
                raise not_found("key")
        return Response(status_code=204)

    return router
