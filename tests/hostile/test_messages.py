"""failure-modes, hostile input: a bad message ends as a dead letter with its reason; nothing else stops, nothing loops.

Every message type that docs/specs/asyncapi.json says we receive or tick by, every field of it, and whole bodies.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import aio_pika
import asyncpg
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from services.everything import QUEUES
from shared import strict_json
from shared.messaging.messages import Message
from shared.messaging.topology import CHECKS, OPS, TICKS, USAGE
from shared.postgres.audit import audit_books
from shared.runtime import Hosted
from tests.hostile.corpus import BODIES, VALUES
from tests.hostile.surface import Spec, with_literal
from tests.hostile.world import World, build_world, transfers
from tests.services.ledger.steps import until

SPEC = Spec("asyncapi.json")
SCHEMAS = SPEC.document["components"]["schemas"]
ANSWER_CHECKS = "gatekeeper.answer_checks"
EXCHANGES = {"ledger.charge_usage": USAGE, "ledger.obey_ops": OPS, ANSWER_CHECKS: CHECKS}
KEYS = {
    "CallCheck": "check.call",
    "SmsCheck": "check.sms",
    "ChatCheck": "check.chat",
    "CampaignCheck": "check.campaign",
}
EMPTY = {"array"}
"""An array of no events is no event: nothing to park."""
ONE_IN = 21
AT_ONCE = 25
TRIES = 3
NAMES = ("call_id", "message_id", "chat_id", "campaign_id", "id")

_numbers = count(1)


@dataclass(frozen=True)
class Bad:
    """A hostile message. `must_die`: whether the specification forbids it."""

    what: str
    message: Message
    must_die: bool


def received() -> Iterator[tuple[str, dict[str, Any]]]:
    """(exchange, schema) of every message type we receive."""
    heard = {name for name, spec in SPEC.document["operations"].items() if spec["action"] == "receive"}
    assert heard == set(EXCHANGES), "a queue that hears the outside needs its exchange here"
    for name in sorted(heard):
        for choice in SCHEMAS[f"{name}:Message:Payload"]["anyOf"]:
            yield EXCHANGES[name], choice


def ticks() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, message in SPEC.document["components"]["messages"].items():
        if name.startswith("tick."):
            yield TICKS, {"title": name.removesuffix(":Message"), **message["payload"]}


def bad_messages(exchange: str, schema: dict[str, Any], world: World) -> Iterator[Bad]:
    """Each field of one message type, then whole bodies."""
    title = schema.get("title") or schema["$ref"].rpartition("/")[2]
    key = KEYS.get(title, title)
    known = {**world.known, "account_id": "acme", "time": None, "due_at": "2026-01-01T00:00:00Z", "source": "x"}
    for place in dict.fromkeys(SPEC.places(schema)):
        for name, literal in VALUES.items():
            example = SPEC.example(schema, {**known, **{one: f"hostile-{next(_numbers)}" for one in NAMES}})
            body = with_literal(example, place, literal)
            yield Bad(f"{title} {place} = {name}", Message(exchange, key, body), _is_forbidden(schema, body))
    for name, body in BODIES.items():
        yield Bad(f"{title} {name}", Message(exchange, key, body), name not in EMPTY)


def _is_forbidden(schema: dict[str, Any], body: bytes) -> bool:
    try:
        return not SPEC.conforms(strict_json.loads(body), schema)
    except strict_json.NotStrictJson:
        return True


@pytest.fixture
async def world(platform: Any) -> World:
    return await build_world(platform)


async def test_every_bad_message_is_parked_with_its_reason_and_nothing_loops(
    world: World, ringfence: Hosted, database_url: str
) -> None:
    """«a 4xx or a dead letter, never a 500, a loop or money»."""
    await survive(world, ringfence, database_url, one_in=ONE_IN)


@pytest.mark.long
async def test_every_bad_message_of_the_whole_corpus(world: World, ringfence: Hosted, database_url: str) -> None:
    await survive(world, ringfence, database_url, one_in=1)


async def survive(world: World, ringfence: Hosted, database_url: str, *, one_in: int) -> None:
    broker = ringfence.host.broker
    before = await transfers(database_url)
    messages = [bad for kind in (received(), ticks()) for one in kind for bad in bad_messages(*one, world)]
    sent = list(islice(messages, 0, None, one_in))

    async def at_rest() -> bool:
        return not any([await broker.depth(queue) for queue in QUEUES])

    async def send(messages: list[Bad]) -> None:
        for start in range(0, len(messages), AT_ONCE):
            problems = await broker.publish_many([bad.message for bad in messages[start : start + AT_ONCE]])
            assert not any(problems), [problem for problem in problems if problem][:3]
            await until(at_rest, seconds=60)

    await send(sent)
    checks = [bad for bad in sent if bad.must_die and bad.message.exchange == CHECKS]
    for _ in range(TRIES - 1):  # a check that waits a second is dropped (contract §2), and would not be parked
        await send(await _not_dead(ringfence, ANSWER_CHECKS, checks))
    good = await world.platform.post("/v1/usage", json=_good_sms())
    assert good.status_code == 202

    await until(at_rest, seconds=60)
    await until(lambda: _is_billed(database_url), seconds=60)
    for queue, exchange in EXCHANGES.items():
        await _all_dead(ringfence, queue, [bad for bad in sent if bad.must_die and bad.message.exchange == exchange])
    assert (await world.platform.get("/healthz")).status_code == 200
    new = (await transfers(database_url))[len(before) :]
    assert {entry["account_id"] for entry in new} <= {"acme"}
    assert len(new) <= sum(not bad.must_die for bad in sent) + 1
    assert (await audit_books(database_url)).findings == ()


async def _all_dead(ringfence: Hosted, queue: str, must_die: list[Bad]) -> None:
    """All that the specification forbids are dead, and each says why."""
    broker = ringfence.host.broker

    async def are_dead() -> bool:
        return (await broker.depth(f"{queue}.dead") or 0) >= len(must_die)

    with suppress(AssertionError):  # what is missing is named below
        await until(are_dead, seconds=30)
    assert [bad.what for bad in await _not_dead(ringfence, queue, must_die)] == []


async def _not_dead(ringfence: Hosted, queue: str, must_die: list[Bad]) -> list[Bad]:
    """Those of them that are not in the dead queue; whose there are say why."""
    broker = ringfence.host.broker
    bodies: set[bytes] = set()
    async with broker.hold(f"{queue}.dead") as held:
        for _ in range(await broker.depth(f"{queue}.dead") or 0):
            letter = await held.next()
            assert letter is not None
            bodies.add(letter.body)
            assert letter.headers["ringfence-reason"]
            assert letter.headers["ringfence-detail"]
    return [bad for bad in must_die if bad.message.body not in bodies]


def _good_sms() -> dict[str, Any]:
    data = {"account_id": "acme", "message_id": "good", "from": "+15550100", "to": "+4930123456", "segments": 1}
    return {"specversion": "1.0", "id": "the good one", "source": "sms", "type": "sms.sent", "data": data}


async def _is_billed(database_url: str) -> bool:
    connection = await asyncpg.connect(database_url)
    try:
        found = await connection.fetchval("SELECT count(*) FROM ledger.usage_events WHERE event_id = 'the good one'")
        return bool(found == 1)
    finally:
        await connection.close()


async def test_every_bad_check_is_answered(world: World, amqp_url: str) -> None:
    """«With `reply_to` … the HTTP body comes back with "status" added, … for every outcome»."""
    sent = [
        bad for exchange, schema in received() if exchange == CHECKS for bad in bad_messages(exchange, schema, world)
    ][::ONE_IN]
    answers: dict[str, int] = {}
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()

        async def keep(reply: AbstractIncomingMessage) -> None:
            answers[str(reply.correlation_id)] = orjson.loads(reply.body)["status"]

        replies = await channel.get_queue("amq.rabbitmq.reply-to", ensure=False)
        await replies.consume(keep, no_ack=True)
        exchange = await channel.get_exchange(CHECKS, ensure=False)
        for number, bad in enumerate(sent):
            message = aio_pika.Message(bad.message.body, reply_to="amq.rabbitmq.reply-to", correlation_id=str(number))
            await exchange.publish(message, bad.message.routing_key)

        async def all_answered() -> bool:
            return len(answers) == len(sent)

        await until(all_answered, seconds=30)
    for number, bad in enumerate(sent):
        status = answers[str(number)]
        assert status < 500, bad.what
        assert status >= 400 or not bad.must_die, (bad.what, json.dumps(status))
