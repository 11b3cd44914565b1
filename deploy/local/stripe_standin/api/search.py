"""`GET /v1/payment_intents/search`: as on Stripe, what was written is found only some time later."""

import re
from collections.abc import Callable

from deploy.local.stripe_standin.errors import InvalidRequest, Json
from deploy.local.stripe_standin.parameters import EXPAND, integer, text
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Operation, Request, Work

LAG_SECONDS = 60
_CLAUSE = re.compile(
    r"""^\s*(?:metadata\[["'](?P<key>[^"']+)["']\]|(?P<field>status|customer|currency|amount|created))"""
    r"""\s*(?P<sign>:|>=|<=|>|<)\s*["']?(?P<value>[^"']*)["']?\s*$"""
)
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    ">": int.__gt__,
    "<": int.__lt__,
    ">=": int.__ge__,
    "<=": int.__le__,
}


def _search(work: Work, request: Request) -> Json:
    clauses = [_clause(part) for part in re.split(r"\s+AND\s+", request.params["query"], flags=re.IGNORECASE)]
    limit = max(1, min(request.params.get("limit", 10), 100))
    page = request.params.get("page", "0")
    start = int(page) if page.isascii() and page.isdigit() else 0
    found = [
        intent.body
        for intent in work.store.each("payment_intent", lte=work.now - LAG_SECONDS)
        if all(fits(intent) for fits in clauses)
    ]
    more = len(found) > start + limit
    return {
        "object": "search_result",
        "data": found[start : start + limit],
        "has_more": more,
        "next_page": str(start + limit) if more else None,
        "url": "/v1/payment_intents/search",
    }


def _clause(written: str) -> Callable[[Record], bool]:
    match = _CLAUSE.match(written)
    if match is None:
        raise InvalidRequest(f"We were unable to parse your search query: {written[:100]}", param="query")
    key, field, sign, value = match["key"], match["field"], match["sign"], match["value"]

    def fits(intent: Record) -> bool:
        actual = intent.body["metadata"].get(key) if key else intent.body[field]
        if sign == ":":
            return str(actual) == value
        return isinstance(actual, int) and value.isdigit() and _ORDERS[sign](actual, int(value))

    return fits


OPERATIONS = (
    Operation(
        "GET",
        "/v1/payment_intents/search",
        _search,
        {**EXPAND, "query": text().required(), "limit": integer(), "page": text()},
    ),
)
