"""`ringfence audit` and `ringfence migrate`: on right books, on wrong ones, without a database."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from deploy.local.servers import Servers
from shared.postgres.migrations import ROLES
from shared.runtime import Hosted
from tests.commands.conftest import Command, Publish
from tests.commands.waiting import until
from tests.usage import call_ended, envelope

EMPTY = "ringfence_commands_empty"


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncIterator[str]:
    """A database nobody has migrated; its roles go with it."""
    admin = await asyncpg.connect(servers.postgres_url)
    await admin.execute(f'DROP DATABASE IF EXISTS "{EMPTY}" WITH (FORCE)')
    await admin.execute(f'CREATE DATABASE "{EMPTY}"')
    yield urlunsplit(urlsplit(servers.postgres_url)._replace(path=f"/{EMPTY}"))
    await admin.execute(f'DROP DATABASE "{EMPTY}" WITH (FORCE)')
    for role in ROLES:
        await admin.execute(f'DROP ROLE IF EXISTS "{EMPTY}_{role}"')
    await admin.close()


async def test_right_books_are_clean_and_what_waits_is_counted(
    command: Command, publish: Publish, platform: httpx.AsyncClient
) -> None:
    """Contract §9.2: "what moved none is queued, in retry, parked or dead with its reason, and the audit counts"."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    await publish(call_ended("acme", "call-1", 60), envelope("fax.sent", {}), b"no json")

    async def is_counted() -> bool:
        ended = await command("audit", "--json")
        assert ended.code == 0
        assert ended.json["clean"] is True
        counted = {row["what"]: row["count"] for row in ended.json["moved_no_money"]}
        return counted.get("dead: unknown_type") == 1 and counted.get("dead: invalid_event") == 1

    await until(is_counted)
    shown = await command("audit")
    assert "ok     ledger: balance is the sum of its entries" in shown.out
    assert "The books are right" in shown.out


async def test_wrong_books_are_found_by_name(command: Command, ringfence: Hosted, platform: httpx.AsyncClient) -> None:
    """Contract §9.1: "a wallet's balance = the sum of its entries"."""
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    connection = await asyncpg.connect(ringfence.host.settings.postgres_url)
    await connection.execute("UPDATE ledger.accounts SET balance_micros = balance_micros + 1")
    await connection.close()
    shown = await command("audit")
    assert shown.code == 1
    assert "FOUND  ledger: balance is the sum of its entries" in shown.out
    assert "acme: balance 10000001, sum of entries 10000000" in shown.out
    found = (await command("audit", "--json")).json
    assert found["clean"] is False
    assert {finding["subject"] for finding in found["findings"]} == {"acme"}


async def test_what_can_not_be_checked_is_neither_clean_nor_found(
    command: Command, offline: Command, empty_database: str
) -> None:
    """Contract §1: "exit 0 clean, 1 findings, 2 could not check"."""
    unset = await offline("audit")
    unreachable = await offline("audit", RINGFENCE_POSTGRES_URL="postgresql://x@127.0.0.1:9/x")
    unmigrated = await offline("audit", RINGFENCE_POSTGRES_URL=empty_database)
    no_broker = await command("audit", RINGFENCE_AMQP_URL="amqp://guest@127.0.0.1:9/")
    assert [ended.code for ended in (unset, unreachable, unmigrated, no_broker)] == [2, 2, 2, 2]
    assert "PostgreSQL" in unreachable.err
    assert "run `ringfence migrate`" in unmigrated.err
    assert "the queues could not be counted" in no_broker.err


async def test_the_books_can_be_checked_without_a_broker(command: Command) -> None:
    ended = await command("audit", "--json", RINGFENCE_AMQP_URL="")
    assert (ended.code, ended.json["clean"]) == (0, True)


async def test_migrating_again_does_nothing(offline: Command, empty_database: str) -> None:
    first = await offline("migrate", RINGFENCE_POSTGRES_URL=empty_database)
    assert first.code == 0
    assert "ran ledger/001_books" in first.out
    again = await offline("migrate", RINGFENCE_POSTGRES_URL=empty_database)
    assert (again.code, again.out) == (0, "The database is up to date.\n")
    assert (await offline("audit", RINGFENCE_POSTGRES_URL=empty_database)).code == 0
