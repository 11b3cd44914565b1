"""Parallel checks never grant more than is available (contract §2, failure modes 8 and 21)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.servers import Servers
from services.gatekeeper.service import GATEKEEPER
from tests.conftest import HostServices
from tests.services.gatekeeper.books import TestBooks
from tests.services.gatekeeper.conftest import client_of
from tests.services.gatekeeper.switch import switch_on

Body = Callable[..., dict[str, Any]]


async def test_fm08_on_funds_for_six_exactly_six_of_ten_pass(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """Parallel checks never grant more than is available: on funds for 6, exactly 6 of 10 pass."""
    await books.open_account(balance_micros=6 * 180_000)
    answers = await asyncio.gather(*(gate.post("/v1/checks/call", json=call(f"c{n}")) for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 6 + [402] * 4
    account = await books.account()
    assert (account["held_micros"], account["open_call_holds"]) == (6 * 180_000, 6)
    assert len(await books.events()) == 4


async def decided(ask: Callable[[], Awaitable[int]]) -> int:
    """The status that is no 503: on a busy machine the gate fails closed, and a switch asks again for the same."""
    for _ in range(20):
        status = await ask()
        if status != 503:
            break
    return status


async def test_exactly_six_pass_across_three_gatekeepers_http_and_amqp_mixed(
    host_services: HostServices, books: TestBooks, call: Body, servers: Servers
) -> None:
    """on funds for 6, exactly 6 of 10 pass; also across three gatekeepers, HTTP and AMQP mixed."""
    hosted = [await host_services(GATEKEEPER) for _ in range(3)]
    clients = [client_of(one) for one in hosted]
    async with switch_on(servers.amqp_urls["platform"]) as switch:
        for turn in range(3):
            account_id = f"acct-{turn}"
            await books.open_account(account_id, balance_micros=6 * 180_000)

            async def over_http(n: int, account_id: str = account_id) -> int:
                body = call(f"h{n}", account_id=account_id)
                return (await clients[n % 3].post("/v1/checks/call", json=body)).status_code

            async def over_amqp(n: int, account_id: str = account_id) -> int:
                status: int = (await switch.ask("call", call(f"a{n}", account_id=account_id)))["status"]
                return status

            statuses = await asyncio.gather(
                *(decided(lambda n=n: over_http(n)) for n in range(5)),
                *(decided(lambda n=n: over_amqp(n)) for n in range(5)),
            )
            assert sorted(statuses) == [200] * 6 + [402] * 4
            account = await books.account(account_id)
            assert (account["held_micros"], account["open_call_holds"]) == (6 * 180_000, 6)
    for client in clients:
        await client.aclose()


async def test_one_check_asked_many_times_at_once_is_one_hold(
    host_services: HostServices, books: TestBooks, call: Body
) -> None:
    """The same check again returns the same hold: also when it comes twenty times at once, through two gates."""
    await books.open_account()
    clients = [client_of(await host_services(GATEKEEPER)) for _ in range(2)]
    answers = await asyncio.gather(*(clients[n % 2].post("/v1/checks/call", json=call()) for n in range(20)))
    assert len({answer.content for answer in answers}) == 1
    assert (await books.account())["held_micros"] == 180_000
    for client in clients:
        await client.aclose()


async def test_check_extend_and_release_of_one_batch_see_one_another(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    await books.open_account(balance_micros=540_000)
    body = {"account_id": "acct-1"}
    answers = await asyncio.gather(
        gate.post("/v1/checks/call", json=call("c1")),
        gate.post("/v1/checks/call/c1/extend", json=body | {"seconds": 180}),
        gate.post("/v1/checks/call", json=call("c2")),
        gate.post("/v1/checks/call/c1/release", json=body),
        gate.post("/v1/checks/call", json=call("c3")),
    )
    assert all(answer.status_code in (200, 402, 404, 409) for answer in answers)
    open_holds = await books.connection.fetchrow(
        "SELECT coalesce(sum(amount_micros), 0)::bigint AS held, count(*) AS calls FROM ledger.holds"
        " WHERE state = 'open'"
    )
    account = await books.account()
    assert (account["held_micros"], account["open_call_holds"]) == (open_holds["held"], open_holds["calls"])
    assert account["held_micros"] <= 540_000


async def test_the_books_refuse_to_hold_more_than_there_is(books: TestBooks) -> None:
    """One lock, one arbiter: even a gate gone wrong can't over-hold (failure mode 8)."""
    await books.open_account(balance_micros=100)
    with pytest.raises(asyncpg.CheckViolationError):
        await books.connection.execute(
            "SELECT ledger.write_holds_v1(ARRAY['acct-1'], ARRAY['call'], ARRAY['c1'], ARRAY['hold_1'], ARRAY['open'],"
            " ARRAY[101::bigint], ARRAY[0::bigint], ARRAY[60], ARRAY[true], ARRAY['0.18'], ARRAY['{}'],"
            " ARRAY[NULL::timestamptz], ARRAY[180], now())"
        )
