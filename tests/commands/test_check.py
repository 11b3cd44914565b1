"""`ringfence check …`: contract §1, "asks the gate, holds nothing"."""

import asyncpg
import httpx

from shared.runtime import Hosted
from tests.commands.conftest import Command

CALL = ("check", "call", "--account", "acme", "--from", "+15550100", "--to", "+4930123456")


async def test_the_gate_is_asked_and_nothing_is_held_or_told(
    command: Command, ringfence: Hosted, platform: httpx.AsyncClient
) -> None:
    await platform.post("/v1/accounts", json={"id": "acme", "name": "Acme"})
    before = await traces(ringfence)
    allowed = await command(*CALL, "--seconds", "7200")
    assert allowed.code == 0
    assert allowed.out == ("Allowed: 3300 seconds at $0.18 a minute, all that it can pay; $9.90 would be held.\n")
    for words in (("sms", "--to", "+4930", "--text", "hi"), ("chat", "--messages", "3"), ("campaign", "--to", "+4930")):
        ended = await command("check", words[0], "--account", "acme", *words[1:], "--json")
        assert (ended.code, ended.json["decision"]) == (0, "allow")
    assert await traces(ringfence) == before

    await platform.post("/v1/accounts/acme/suspend", json={"reason": "any"})
    before = await traces(ringfence)
    refused = await command(*CALL)
    assert refused.code == 1
    assert refused.out.startswith("402 account_suspended: ")
    assert (await command(*CALL, "--json")).json["error"]["code"] == "account_suspended"
    assert await traces(ringfence) == before


async def traces(ringfence: Hosted) -> tuple[int, ...]:
    """What a check could leave: holds, held money, reject events, rejections."""
    connection = await asyncpg.connect(ringfence.host.settings.postgres_url)
    row = await connection.fetchrow("""
        SELECT (SELECT count(*) FROM ledger.holds), (SELECT sum(held_micros) FROM ledger.accounts),
               (SELECT count(*) FROM ledger.events WHERE type LIKE '%rejected%'),
               (SELECT count(*) FROM gatekeeper.rejections)
    """)
    await connection.close()
    assert row is not None
    return tuple(row)


async def test_what_cannot_be_asked_is_no_refusal(command: Command, offline: Command) -> None:
    assert (await command("check", "call", "--account", "nobody", "--to", "+49")).code == 2
    invalid = await command("check", "call", "--account", "acme", "--to", "no number")
    assert invalid.code == 2
    assert "to: " in invalid.err
    assert (await offline("check", "call", "--account", "acme", "--to", "+49")).code == 2
