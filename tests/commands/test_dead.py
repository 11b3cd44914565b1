"""`ringfence dead …`: dead letters looked at, replayed, discarded, on the real broker."""

import re

import httpx
import pytest

from services.commands.dead_letters import opened, taken_out
from shared.messaging.errors import Unroutable
from shared.messaging.messages import Message
from shared.messaging.rabbit import Rabbit
from tests.commands.conftest import Command, Publish
from tests.commands.waiting import until
from tests.usage import call_ended, envelope

DEAD = "ledger.charge_usage.dead"
TWINS = (call_ended("acme", "call-1", 60, event_id="first"), call_ended("acme", "call-1", 60, event_id="twin"))


@pytest.fixture
async def dead_letters(command: Command, publish: Publish, platform: httpx.AsyncClient, amqp_url: str) -> None:
    """A suspected duplicate, an unknown type, and bytes that are no JSON."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    await publish(*TWINS, envelope("fax.sent", {}, event_id="fax-1"), b"no json \x1b[2J")
    await until(lambda: has_dead(amqp_url, 3))


async def has_dead(amqp_url: str, count: int) -> bool:
    broker = Rabbit(amqp_url)
    await broker.open()
    try:
        return await broker.depth(DEAD) == count
    finally:
        await broker.close()


async def balance_cents(platform: httpx.AsyncClient) -> int:
    balance: int = (await platform.get("/v1/accounts/acme")).json()["balance_cents"]
    return balance


@pytest.mark.usefixtures("dead_letters")
async def test_a_list_names_reasons_and_consumes_nothing(command: Command, amqp_url: str) -> None:
    for _ in range(2):
        listed = (await command("dead", "list", "--json")).json
        assert listed["total"] == 3
        assert {letter["reason"]: letter["id"] for letter in listed["data"]}.items() >= {
            ("suspected_duplicate", "twin"),
            ("unknown_type", "fax-1"),
        }
    assert await has_dead(amqp_url, 3)
    assert all(letter["parked_at"] for letter in listed["data"])
    table = (await command("dead", "list")).out
    assert "call.ended of call-1 was told before under another id" in table
    assert "\x1b" not in table

    shown = await command("dead", "show", "twin")
    assert "reason    suspected_duplicate" in shown.out
    assert re.search(r"age +[0-9]+ s\n", shown.out)
    assert '"call_id": "call-1"' in shown.out
    assert (await command("dead", "show", "nothing")).code == 1
    assert await has_dead(amqp_url, 3)


@pytest.mark.usefixtures("dead_letters")
async def test_only_accepting_bills_a_suspected_duplicate(
    command: Command, platform: httpx.AsyncClient, amqp_url: str
) -> None:
    """Contract §3: "parked there as `suspected_duplicate`, not billed; `ringfence dead replay --accept` bills it"."""
    assert await balance_cents(platform) == 1000 - 18
    replayed = await command("dead", "replay", "twin")
    assert replayed.out == "1 replayed (ledger.charge_usage)\n"
    await until(lambda: has_dead(amqp_url, 3))
    assert await balance_cents(platform) == 1000 - 18

    assert (await command("dead", "replay", "--accept")).out == "1 replayed (ledger.charge_usage)\n"

    async def is_billed() -> bool:
        return await balance_cents(platform) == 1000 - 36

    await until(is_billed)
    await until(lambda: has_dead(amqp_url, 2))


async def test_what_dies_again_is_replayed_once(
    command: Command, publish: Publish, platform: httpx.AsyncClient, amqp_url: str
) -> None:
    """Contract §3: "nothing is retried in a hot loop, nothing is dropped"."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    await publish(*(envelope("fax.sent", {}) for _ in range(20)))
    await until(lambda: has_dead(amqp_url, 20))
    assert (await command("dead", "replay", "--all")).out == "20 replayed (ledger.charge_usage)\n"
    await until(lambda: has_dead(amqp_url, 20))


@pytest.mark.usefixtures("dead_letters")
async def test_discarding_asks_and_deletes_what_was_named(command: Command, amqp_url: str) -> None:
    declined = await command("dead", "discard", "--all", stdin=b"n\n")
    assert declined.code == 1
    assert "nothing was deleted" in declined.err
    assert (await command("dead", "discard", "--all", stdin=b"")).code == 1
    assert await has_dead(amqp_url, 3)

    assert (await command("dead", "discard", "--reason", "unknown_type", "--yes")).code == 0
    assert await has_dead(amqp_url, 2)
    assert (await command("dead", "discard", "--all", stdin=b"y\n")).code == 0
    assert await has_dead(amqp_url, 0)
    assert (await command("dead", "list")).out == "There are no dead letters.\n"
    assert (await command("dead", "discard", "--all", "--yes")).code == 1


@pytest.mark.usefixtures("dead_letters")
async def test_a_letter_the_broker_does_not_take_stays_dead(amqp_url: str) -> None:
    """It leaves the dead letters only when its work queue has it."""
    async with opened(amqp_url) as broker:
        with pytest.raises(Unroutable):
            await taken_out(
                broker,
                DEAD,
                lambda _: True,
                lambda letter: Message("", "no.such.queue", letter.message.body, mandatory=True),
            )
    await until(lambda: has_dead(amqp_url, 3))


async def test_what_to_replay_must_be_named(offline: Command) -> None:
    for words in ((), ("--all", "x"), ("--all", "--id", "x"), ("--all", "--reason", "x")):
        ended = await offline("dead", "replay", *words)
        assert ended.code == 2
        assert "name ids, --reason or both; or --all alone" in ended.err
    assert (await offline("dead", "list", "--queue", "nothing")).code == 2


async def test_a_broker_out_of_reach_is_told(offline: Command) -> None:
    ended = await offline("dead", "list", RINGFENCE_AMQP_URL="amqp://guest@127.0.0.1:9/")
    assert ended.code == 2
    assert ended.err.startswith("ringfence: RabbitMQ (RINGFENCE_AMQP_URL): ")
    assert len(ended.err.splitlines()) == 1
