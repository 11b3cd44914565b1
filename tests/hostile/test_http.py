"""failure-modes, hostile input: at every place of every route a 4xx with a clear error; never a 500, never money."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from shared import strict_json
from shared.postgres.audit import audit_books
from tests.hostile.corpus import BODIES, HEADERS, TEXTS, TOO_LARGE, VALUES
from tests.hostile.surface import Operation, Spec, operations, places_of, with_literal
from tests.hostile.world import World, build_world, transfers

SPEC = Spec("openapi.json")
OPERATIONS = operations(SPEC)
AT_ONCE = 12
TRIES_MAX = 5
"""On a machine that is too busy the gate fails closed: 503, try again."""
HEADER_NAMES = ("Authorization", "Ringfence-Account", "Idempotency-Key", "X-Request-Id", "Accept", "Last-Event-ID")
ENDLESS = {"GET /v1/events"}
"""A stream that is accepted never ends: its headers are tried in tests/services/portal."""


@dataclass(frozen=True)
class Attack:
    """One hostile request. `must_be_refused`: whether the specification forbids it."""

    operation: Operation
    what: str
    path: str
    must_be_refused: bool
    content: bytes = b""
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[bytes, bytes] = field(default_factory=dict)


def on_fields(world: World) -> Iterator[Attack]:
    for operation in OPERATIONS:
        if operation.body is None:
            continue
        example = example_of(world, operation)
        for place in dict.fromkeys((*SPEC.places(operation.body), *places_of(example))):
            for name, literal in VALUES.items():
                content = with_literal(example, place, literal)
                yield _attack(world, operation, f"{place} = {name}", content=content)


def on_bodies(world: World) -> Iterator[Attack]:
    for operation in OPERATIONS:
        if operation.method in ("POST", "PUT", "PATCH"):
            for name, content in {**BODIES, "10 MB": TOO_LARGE}.items():
                yield _attack(world, operation, name, content=content)


def on_queries(world: World) -> Iterator[Attack]:
    for operation in OPERATIONS:
        wanted = {p.name: str(world.known.get(p.name, "x")) for p in operation.named("query") if p.is_required}
        for parameter in operation.named("query"):
            for name, text in TEXTS.items():
                yield _attack(world, operation, f"?{parameter.name}={name}", params={**wanted, parameter.name: text})


def on_paths(world: World) -> Iterator[Attack]:
    for operation in OPERATIONS:
        for parameter in operation.named("path"):
            for name, text in TEXTS.items():
                others = {p.name: str(world.known.get(p.name, "x")) for p in operation.named("path")}
                path = operation.path.format(**{**others, parameter.name: quote(text, safe="")})
                if text not in ("", "../.."):
                    yield _attack(world, operation, f"{{{parameter.name}}} = {name}", path=path)


def on_headers(world: World) -> Iterator[Attack]:
    for operation in OPERATIONS:
        if operation.name not in ENDLESS:
            for header in HEADER_NAMES:
                for name, text in HEADERS.items():
                    headers = {header.encode(): text}
                    yield _attack(world, operation, f"{header}: {name}", headers=headers)


def _attack(world: World, operation: Operation, what: str, *, content: bytes | None = None, **sent: Any) -> Attack:
    """With its own body, or with one that is right."""
    is_ours = content is None and operation.body is not None
    headers = {name.encode(): text.encode() for name, text in world.headers(operation).items()}
    return Attack(
        operation,
        what,
        path=sent.get("path") or world.path(operation),
        must_be_refused=bool(content) and operation.body is not None and is_forbidden(operation, content or b""),
        content=json.dumps(example_of(world, operation)).encode() if is_ours else content or b"",
        params=sent.get("params", {}),
        headers={**headers, **sent.get("headers", {})},
    )


def example_of(world: World, operation: Operation) -> Any:
    """A body that is right."""
    assert operation.body is not None
    return world.examples.get(operation.name) or SPEC.example(operation.body, world.known)


def is_forbidden(operation: Operation, content: bytes) -> bool:
    """Whether it is no JSON as we take it, or what the specification says a body is not."""
    assert operation.body is not None
    try:
        value = strict_json.loads(content)
    except strict_json.NotStrictJson:
        return bool(content.strip())
    return not SPEC.conforms(value, operation.body)


@dataclass
class Outcome:
    """What the attacks came to."""

    faults: list[str] = field(default_factory=list)
    money_accepted: int = 0
    count: int = 0

    async def take(self, platform: httpx.AsyncClient, attack: Attack) -> None:
        for _ in range(TRIES_MAX):
            answer = await platform.request(
                attack.operation.method,
                attack.path,
                content=attack.content,
                params=attack.params or None,
                headers=[(b"Content-Type", b"application/json"), *attack.headers.items()],
            )
            if answer.status_code != 503:
                break
        self.count += 1
        if attack.operation.moves_money and answer.status_code < 300:
            self.money_accepted += 1
        if fault := _fault(attack, answer):
            self.faults.append(
                f"{attack.operation.name} {attack.what}: {fault}: {answer.status_code} {answer.text[:200]}"
            )


def _fault(attack: Attack, answer: httpx.Response) -> str | None:
    if answer.status_code >= 500:
        return "not our fault"
    if answer.status_code < 400:
        return "taken though the specification forbids it" if attack.must_be_refused else None
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError):
        return "no error as described"
    return None if error["code"] and error["message"] and error["request_id"] else "an error that says nothing"


@pytest.fixture
async def world(platform: httpx.AsyncClient) -> World:
    return await build_world(platform)


Attacks = Callable[[World], Iterator[Attack]]
ALL: tuple[Attacks, ...] = (on_fields, on_bodies, on_queries, on_paths, on_headers)
ONE_IN: dict[Attacks, int] = {on_fields: 31, on_bodies: 3, on_queries: 11, on_paths: 11, on_headers: 29}
"""The share that is tried each time. No share divides its corpus, so that all of it comes about in turn."""


async def survive(world: World, attacks: Iterator[Attack], database_url: str) -> int:
    """Send them, several at once; afterwards everything is as it was, but what was said to be done. Their count."""
    before = await transfers(database_url)
    outcome = Outcome()

    async def work() -> None:
        for attack in attacks:
            await outcome.take(world.platform, attack)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(work())
    assert outcome.faults == [], f"{len(outcome.faults)} of {outcome.count}"
    assert (await world.platform.get("/healthz")).status_code == 200
    after = await transfers(database_url)
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert len(new) <= outcome.money_accepted
    assert "bystander" not in {entry["account_id"] for entry in new}
    assert (await audit_books(database_url)).findings == ()
    return outcome.count


async def test_no_input_at_any_place_breaks_a_route(world: World, database_url: str) -> None:
    """«SQL in every filter»: a share of the corpus, in turns, at every place of every route."""
    attacks = (attack for some in ALL for attack in islice(some(world), 0, None, ONE_IN[some]))
    assert await survive(world, attacks, database_url) > 10 * len(OPERATIONS)


@pytest.mark.long
@pytest.mark.parametrize("some", ALL)
async def test_the_whole_corpus_at_every_place(world: World, database_url: str, some: Attacks) -> None:
    await survive(world, some(world), database_url)


def test_every_route_is_attacked() -> None:
    """A route the specification gains is attacked without being named here."""
    world = World(httpx.AsyncClient(), {}, {}, {})
    attacked = {attack.operation.name for some in ALL for attack in some(world)}
    assert attacked >= {operation.name for operation in OPERATIONS} - ENDLESS
    fields = {what.what.partition(" = ")[0] for what in on_fields(world)}
    assert "('amount_cents',)" in fields
