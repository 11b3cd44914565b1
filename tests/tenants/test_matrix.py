"""No account reads or changes another's data (contract §0, Auth; §9, 6): every route of the OpenAPI is tried.

Two towns; the second tries everything on the first. Wherever an object is named, the answer is the one for an
object that does not exist; whatever was tried, no row of any table has changed.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.runtime import Hosted
from tests.hostile.surface import Operation, Spec, operations
from tests.tenants.cases import CASES, STRANGERS
from tests.tenants.town import BODY_IDS, MARK, NOWHERE, Town, build_town, contents

SPEC = Spec("openapi.json")
OPERATIONS = operations(SPEC)
OURS = "ours"
STREAM = "/v1/events"
"""Has no end: of an answer that is no refusal nothing is read."""
PAYABLE = {"amount_cents": 1_000, "amount_usd": 10}
REFUSED_AT_THE_GATE = (401,)
"""It knows no cookies: who brings nothing else brings no key."""
WRONG_KEYS = (None, "", "Bearer", "Bearer rf_wrong", "Basic !!!", "Basic eDo=", "Bearer rf_wrong\u00ff")


@dataclass(frozen=True)
class Towns:
    theirs: Town
    ours: Town
    http: httpx.AsyncClient
    platform: httpx.AsyncClient

    async def ask(
        self,
        operation: Operation,
        names: dict[str, Any],
        key: str | None,
        *,
        named: str | None = None,
        inside: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """`names` go into the path and query; `inside` is put into the body; `named` is the account header."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if named is not None:
            headers["Ringfence-Account"] = named
        query = {
            parameter.name: names.get(parameter.name, "x")
            for parameter in operation.named("query")
            if parameter.is_required or (parameter.name in BODY_IDS and parameter.name in names)
        }
        body = None if operation.body is None else {**SPEC.example(operation.body, names), **(inside or {})}
        path = operation.path.format(**{p.name: names[p.name] for p in operation.named("path")})
        asked = self.http.stream(operation.method, path, params=query, json=body, headers=headers)
        async with asked as answer:
            if answer.status_code >= 400 or path != STREAM:
                await answer.aread()
            return answer


@pytest.fixture
async def towns(ringfence: Hosted, platform: httpx.AsyncClient) -> AsyncIterator[Towns]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=ringfence.url, timeout=30))
        theirs, ours = await build_town(platform, MARK), await build_town(platform, OURS)
        yield Towns(theirs, ours, http, platform)


def routes(*cases: str) -> Iterator[tuple[Operation, str]]:
    for operation in OPERATIONS:
        case = CASES.get(operation.name)
        if case in cases or (not cases and case in STRANGERS):
            assert case is not None
            yield operation, case


def told(answer: httpx.Response) -> tuple[int, str, str]:
    """What a refusal says, but for the request's id."""
    if answer.status_code < 400:
        return answer.status_code, "", ""
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_every_route_has_a_case_and_every_case_its_route() -> None:
    assert {operation.name for operation in OPERATIONS} == set(CASES)


async def test_fm19_strangers_find_nothing_and_change_nothing_on_any_route(towns: Towns, database_url: str) -> None:
    """«another tenant's object → 404 `not_found`, the same answer as for one that does not exist»; «wrong kind → 403»."""
    before = await contents(database_url)
    wrong = []
    for operation, case in routes():
        for kind, status in STRANGERS[case].items():
            about = "account" if case in ("own", "platform") else "agency" if case == "agencys" else "client"
            theirs = towns.theirs.of(about=about)
            absent = {**theirs, **NOWHERE}
            names_account = case in ("own", "agencys")
            key = towns.ours.keys[kind]
            found = await towns.ask(operation, theirs, key, named=theirs["account_id"] if names_account else None)
            never = await towns.ask(operation, absent, key, named="nobody" if names_account else None)
            if found.status_code != status or told(found) != told(never):
                wrong.append((operation.name, kind, status, told(found), told(never)))
    assert wrong == []
    assert await contents(database_url) == before


async def test_fm19_an_object_of_another_is_not_found_under_the_own_account(towns: Towns, database_url: str) -> None:
    """An id in the path or the body that is theirs, everything else ours."""
    before = await contents(database_url)
    wrong = []
    for operation, case in routes():
        kind = "account" if case == "own" else "agency"
        ours = towns.ours.of(about=kind)
        key = towns.ours.keys[kind]
        in_path = [p.name for p in operation.named("path") if p.name in towns.theirs.ids and p.name not in ("kind",)]
        in_body = (
            []
            if operation.body is None
            else [n for n in SPEC.resolved(operation.body).get("properties", {}) if n in BODY_IDS]
        )
        if case == "platform":
            continue
        for name in (*in_path, *in_body):
            answers = []
            for foreign in (towns.theirs.ids, NOWHERE):
                names = {**ours, name: foreign[name]} if name in in_path else ours
                inside = {**PAYABLE, name: foreign[name]} if name in in_body else None
                answers.append(told(await towns.ask(operation, names, key, inside=inside)))
            if answers[0] != answers[1] or answers[0][0] != 404:
                wrong.append((operation.name, name, answers))
    assert wrong == []
    assert await contents(database_url) == before


async def test_fm19_no_list_of_ours_shows_anything_of_theirs(towns: Towns) -> None:
    for operation, case in routes():
        if operation.method != "GET" or case == "platform" or operation.path == STREAM:
            continue
        for kind, key in towns.ours.keys.items():
            ours = towns.ours.of(about=kind)
            answer = await towns.ask(operation, ours, key)
            named = await towns.ask(operation, ours, key, named=ours["account_id"])
            for shown in (answer, named):
                assert shown.status_code < 500
                assert MARK not in shown.text, operation.name
                for theirs in (towns.theirs.ids["plan_id"], towns.theirs.ids["payment_method_id"]):
                    assert theirs not in shown.text, operation.name


async def test_nobody_gets_anything_without_a_good_key(towns: Towns, database_url: str) -> None:
    """«No or wrong key → 401 `unauthorized`», on every route, before anything else is looked at."""
    before = await contents(database_url)
    wrong = []
    for operation, _ in routes():
        theirs = towns.theirs.of(about="account")
        for authorization in WRONG_KEYS:
            path = operation.path.format(**{p.name: theirs.get(p.name, "x") for p in operation.named("path")})
            body = None if operation.body is None else SPEC.example(operation.body, theirs)
            headers = {} if authorization is None else {b"Authorization": authorization.encode("latin-1")}
            answer = await towns.http.request(operation.method, path, json=body, headers=headers)
            if told(answer)[:2] != (401, "unauthorized"):
                wrong.append((operation.name, authorization, told(answer)))
    assert wrong == []
    assert await contents(database_url) == before


async def test_an_idempotency_key_of_another_is_a_key_of_ones_own(towns: Towns) -> None:
    """«Per account and route»: the same key and body is the other's own request, never the first one's answer."""
    key = {"Idempotency-Key": "the-same-key"}
    answers = []
    for town in (towns.theirs, towns.ours):
        own = {"Authorization": f"Bearer {town.keys['account']}", **key}
        answers.append(await towns.http.post("/v1/billing/top-up", json={"amount_cents": 700}, headers=own))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert "Idempotency-Replayed" not in answers[1].headers
    assert answers[0].json()["payment_intent_id"] != answers[1].json()["payment_intent_id"]


async def test_a_browser_signed_in_as_us_reaches_nothing_of_theirs(towns: Towns, database_url: str) -> None:
    """«A *portal session* … reads its account's §5–7 and events»: the same matrix with its cookie."""
    for kind in ("account", "agency", "client"):
        link = await towns.platform.post(f"/v1/accounts/{towns.ours.accounts[kind]}/portal-sessions")
        async with httpx.AsyncClient(base_url=towns.http.base_url, timeout=30, follow_redirects=False) as browser:
            assert (await browser.get(link.json()["url"])).status_code in (302, 303)
            before = await contents(database_url)
            for operation, case in routes():
                theirs = towns.theirs.of(about="account" if case == "own" else "client")
                path = operation.path.format(**{p.name: theirs.get(p.name, "x") for p in operation.named("path")})
                body = None if operation.body is None else SPEC.example(operation.body, theirs)
                headers = {"Ringfence-Account": theirs["account_id"]} if case in ("own", "agencys") else {}
                answer = await browser.request(operation.method, path, json=body, headers=headers)
                if operation.name == "GET /v1/payment-requests":
                    answer = await browser.get(f"{path}?client_id={theirs['client_id']}")
                assert answer.status_code in (REFUSED_AT_THE_GATE if "gate" in operation.tags else (403, 404)), (
                    kind,
                    operation.name,
                    answer.text,
                )
            assert await contents(database_url) == before


async def test_a_platform_key_names_an_account_and_reaches_each(towns: Towns) -> None:
    """«§5, §6 and events with a platform or agency key need the header `Ringfence-Account`»."""
    for operation, _ in routes("own"):
        if operation.path == STREAM:
            continue
        ours = towns.ours.of(about="account")
        platform = towns.platform.headers["Authorization"].removeprefix("Bearer ")
        assert told(await towns.ask(operation, ours, platform))[:2] == (422, "account_required"), operation.name
        assert told(await towns.ask(operation, ours, towns.ours.keys["agency"]))[:2] == (422, "account_required")
        assert told(await towns.ask(operation, ours, platform, named="nobody"))[:2] == (404, "not_found")
        for key, account in ((platform, "account"), (platform, "client"), (towns.ours.keys["agency"], "client")):
            reached = await towns.ask(operation, ours, key, named=towns.ours.accounts[account])
            assert reached.status_code not in (401, 403), (operation.name, reached.text)
            assert reached.status_code < 500, (operation.name, reached.text)
