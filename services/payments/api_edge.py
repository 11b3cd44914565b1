"""What the routes of payments have in common: whose account, books or provider out of reach, keys, amounts."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field

from services.payments.cards import provider_unavailable
from services.payments.keys import REPLAYED
from services.payments.provider import ProviderUnavailable
from services.payments.topups import Answer
from shared.api_edge import BooksRoute
from shared.http_app import OrjsonResponse
from shared.http_errors import ApiError, invalid_request

CENTS_MAX = 10**9
KEY_LENGTH_MAX = 255

Cents = Annotated[int, Field(ge=0, le=CENTS_MAX)]
PositiveCents = Annotated[int, Field(ge=1, le=CENTS_MAX)]
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
CardId = Annotated[str, Field(min_length=1, max_length=255)]


class PaymentsRoute(BooksRoute):
    """502 where the provider gives no answer, 503 where the books are out of reach: nothing is left half done."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def answer_or_unavailable(request: Request) -> Response:
            try:
                return await handler(request)
            except ProviderUnavailable:
                raise provider_unavailable() from None

        return answer_or_unavailable


def idempotency_key(request: Request, in_body: str | None) -> str | None:
    """The key from the header or the body; both and different → 422, neither → None."""
    in_header = request.headers.get("idempotency-key")
    if in_header is not None and in_body is not None and in_header != in_body:
        raise invalid_request([("idempotency_key", "differs from the header Idempotency-Key")])
    key = in_header if in_header is not None else in_body
    if key is not None and not _KEY.fullmatch(key):
        path = "Idempotency-Key" if in_header is not None else "idempotency_key"
        raise invalid_request([(path, f"must be 1 to {KEY_LENGTH_MAX} visible ASCII characters")])
    return key


def refuse_other_currency(currency: str | None) -> None:
    """Accounts are in dollars; raises 422 for anything else (contract §0, Money)."""
    if currency is not None and currency.lower() != "usd":
        raise ApiError(422, "currency_not_supported", "Accounts are in usd.")


def created(answer: Answer) -> Response:
    return OrjsonResponse(answer.body, status_code=201, headers=REPLAYED if answer.is_replay else None)
