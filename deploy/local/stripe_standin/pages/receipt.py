"""`/receipts/{charge}`: where a charge's `receipt_url` leads. The id is the secret, as on Stripe."""

from datetime import UTC, datetime

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from .rendering import message, render
from .stage import Stage


class ReceiptPages:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def show(self, http: HttpRequest) -> Response:
        charge = self._stage.store.find(http.path_params["charge"], "charge")
        if charge is None or charge.body["status"] != "succeeded":
            return message("Not found", "There is no such receipt.", status=404)
        body = charge.body
        return render(
            "receipt.html",
            title="Receipt",
            charge=body,
            amount=in_words(body["amount"], body["currency"]),
            refunded=in_words(body["amount_refunded"], body["currency"]) if body["amount_refunded"] else "",
            card=body["payment_method_details"]["card"],
            date=datetime.fromtimestamp(body["created"], UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )


def in_words(amount: int, currency: str) -> str:
    """`25.00 USD`"""
    return f"{amount // 100}.{amount % 100:02} {currency.upper()}"
