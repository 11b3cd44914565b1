"""Requests and files written on the how-to pages are taken as they stand."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.commands.rate_deck import book_from_deck
from services.payments.stripe_facts import LISTENED_TO
from shared.rating.book import Book, read_book
from shared.rating.default_book import DEFAULT_BOOK
from shared.runtime import Hosted
from tests.docs.pages import CHECKOUT, blocks
from tests.services.ledger.steps import until

HOW_TO = CHECKOUT / "docs" / "how-to"
REQUEST = re.compile(r"^ *(GET|POST|PUT|PATCH|DELETE) +(/v1/\S+)", re.M)


def requests(page: Path) -> Iterator[tuple[str, str, str]]:
    """`PUT /v1/clients/cafe/plan {"plan_id": "starter"}`, also where the body goes on in the next line."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^ *```\n(.*?)^ *```$", text, re.M | re.S):
        found = [*REQUEST.finditer(block)]
        for request, following in zip(found, [*found[1:], None][: len(found)], strict=True):
            body = block[request.end() : None if following is None else following.start()].strip()
            yield request[1], request[2], body


async def test_an_agency_is_onboarded_as_the_page_says(ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    """And as the notes for VoiceAIWrapper's users say, after it."""
    opened = await platform.post("/v1/accounts", json={"id": "bright", "name": "Bright Voices", "agency": True})
    assert (await platform.patch("/v1/accounts/bright", json={"timezone": "Europe/Berlin"})).status_code == 200
    headers = {"Authorization": f"Bearer {opened.json()['api_key']}"}
    known: dict[str, str] = {}
    async with httpx.AsyncClient(base_url=ringfence.url, headers=headers, timeout=30) as agency:
        for page in (HOW_TO / "onboard-an-agency.md", CHECKOUT / "docs" / "migrating" / "voiceaiwrapper.md"):
            for method, path, body in requests(page):
                answer = await agency.request(method, filled_in(path, known), content=filled_in(body, known))
                assert answer.status_code < 300 or is_settled(answer), f"{page.name}: {method} {path}: {answer.text}"
                learn(known, path, answer.json())
        usage = (await agency.get("/v1/clients/cafe/usage")).json()
    assert set(known) == {"PLAN_ID", "PACK_ID", "REQUEST_ID"}
    assert usage["included"]["seconds"] == 300 * 60
    assert usage["wallet"]["seconds"] == 120 * 60


def filled_in(text: str, known: dict[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(name, value)
    return text


def learn(known: dict[str, str], path: str, answer: Any) -> None:
    """The ids of what was made last, as the page names them."""
    if path in ("/v1/plans", "/v1/packs"):
        known["PLAN_ID" if path == "/v1/plans" else "PACK_ID"] = answer["id"]
    elif path.startswith("/v1/payment-requests?"):
        known["REQUEST_ID"] = answer["data"][0]["id"]


def is_settled(answer: httpx.Response) -> bool:
    """The second page would cancel a request that the first has had paid."""
    return answer.status_code == 409 and answer.json()["error"]["code"] == "illegal_transition"


def test_the_price_book_and_the_rate_deck_of_the_page_are_ones() -> None:
    page = HOW_TO / "set-prices-and-zones.md"
    (book,) = [block.text for block in blocks(page) if block.text.startswith('{"zones"')]
    assert isinstance(read_book(json.loads(book)), Book)
    (deck,) = [block.text for block in blocks(page) if block.text.startswith("item,")]
    made, kinds = book_from_deck(deck, DEFAULT_BOOK)
    assert kinds == ["telephony"]
    assert made.zones == {"Germany": ["49"], "Germany mobile": ["4915", "4916", "4917"], "USA": ["1"]}


def test_the_page_about_stripe_names_the_events_that_are_listened_to() -> None:
    page = (HOW_TO / "go-live-with-stripe.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:payment_intent|setup_intent|checkout|charge|refund|payment_method)\.[\w.]+)`", page))
    assert named == LISTENED_TO


async def test_a_wrong_quantity_is_corrected_as_the_page_says(platform: httpx.AsyncClient) -> None:
    """Ten minutes were told, one was meant: the difference comes back."""
    await platform.post("/v1/accounts", json={"id": "ada", "name": "Ada"})
    (correction,) = [
        block.text for block in blocks(HOW_TO / "correct-a-wrong-bill.md") if '"usage.adjusted"' in block.text
    ]
    call = {"account_id": "ada", "call_id": "call-1", "direction": "outbound", "from": "+15550100", "to": "+4930123456"}
    times = {"started_at": 1_700_000_000, "answered_at": 1_700_000_000, "ended_at": 1_700_000_600}
    told = {
        "specversion": "1.0",
        "id": "end-of-call-1",
        "source": "my-switch",
        "type": "call.ended",
        "data": {**call, **times, "status": "completed", "duration_seconds": 600},
    }
    assert (await platform.post("/v1/usage", json=told)).status_code == 202

    async def balance() -> int:
        cents: int = (await platform.get("/v1/accounts/ada")).json()["balance_cents"]
        return cents

    async def is_billed() -> bool:
        return await balance() == 1000 - 180

    await until(is_billed)
    assert (await platform.post("/v1/usage", content=correction)).status_code == 202

    async def is_corrected() -> bool:
        return await balance() == 1000 - 18

    await until(is_corrected)


@pytest.mark.parametrize("page", sorted(HOW_TO.glob("*.md")), ids=lambda page: page.stem)
def test_routes_named_on_a_page_exist(page: Path) -> None:
    paths = json.loads((CHECKOUT / "docs" / "specs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    known = [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in paths]
    for method, path in re.findall(
        r"\b(GET|POST|PUT|PATCH|DELETE) +(/v1/[\w/{}.:-]+)", page.read_text(encoding="utf-8")
    ):
        assert any(pattern.fullmatch(path) for pattern in known), f"{method} {path}"
