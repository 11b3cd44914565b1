"""Books out of reach → 503 `billing_unavailable` with `Retry-After` within 1 s: fail closed, never hang, never 500."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from yarl import URL

from deploy.local.servers import Servers
from services.gatekeeper.service import GATEKEEPER
from shared.settings import Settings
from tests.conftest import HostServices
from tests.faults.proxy import FaultProxy, Weather
from tests.services.gatekeeper.books import ACCOUNT, TestBooks
from tests.services.gatekeeper.conftest import client_of
from tests.services.gatekeeper.switch import switch_on

Body = Callable[..., dict[str, Any]]


async def ask_everything(gate: httpx.AsyncClient, call: Body) -> list[tuple[httpx.Response, float]]:
    """Every kind of request at once, with the seconds each took."""

    async def timed(request: Any) -> tuple[httpx.Response, float]:
        begun = time.monotonic()
        answer = await request
        return answer, time.monotonic() - begun

    body = {"account_id": ACCOUNT}
    return await asyncio.gather(
        timed(gate.post("/v1/checks/call", json=call("o1"))),
        timed(gate.post("/v1/checks/call/o1/extend", json=body | {"seconds": 90})),
        timed(gate.post("/v1/checks/call/o1/release", json=body)),
        timed(gate.post("/v1/checks/campaign", json=body | {"campaign_id": "k"})),
        timed(gate.get("/v1/checks/call/o1", params=body)),
        timed(gate.get("/v1/holds", params=body)),
        timed(gate.post("/v1/checks/call", json=call(), headers={"Authorization": "Bearer not seen before"})),
    )


def assert_unavailable(answers: list[tuple[httpx.Response, float]]) -> None:
    for answer, seconds in answers:
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "billing_unavailable"
        assert answer.headers["retry-after"] == "1"
        assert seconds < 1


async def recovered(gate: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
    """The first answer that is no 503; an end after 15 s."""
    deadline = time.monotonic() + 15
    while True:
        answer = await gate.post("/v1/checks/call", json=body)
        if answer.status_code != 503 or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.1)


async def test_a_killed_postgres_means_503_and_the_gate_recovers_by_itself(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, servers: Servers
) -> None:
    await books.open_account()
    assert (await gate.post("/v1/checks/call", json=call("before"))).status_code == 200
    await servers.kill_postgres()
    try:
        assert_unavailable(await ask_everything(gate, call))
        async with switch_on(servers.amqp_urls["platform"]) as switch:
            answer = await switch.ask("call", call("over-amqp"))
        assert (answer["status"], answer["error"]["code"]) == (503, "billing_unavailable")
    finally:
        await servers.start_postgres()
    assert (await recovered(gate, call("after"))).status_code == 200


@pytest.fixture
async def frozen(servers: Servers) -> AsyncIterator[Callable[[], None]]:
    """`frozen()` stops PostgreSQL and all its backends where they are, as a dead network would; undone at the end."""
    stopped: list[int] = []

    def freeze() -> None:
        parent = int((servers.folder / "postgres.pid").read_text().split()[0])
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in [parent, *map(int, children)]:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)

    def thaw() -> None:
        while stopped:
            os.kill(stopped.pop(), signal.SIGCONT)

    freeze.thaw = thaw  # type: ignore[attr-defined]
    yield freeze
    thaw()


async def test_a_postgres_that_hangs_means_503_within_a_second(
    gate: httpx.AsyncClient, books: TestBooks, call: Body, frozen: Any
) -> None:
    await books.open_account()
    assert (await gate.post("/v1/checks/call", json=call("before"))).status_code == 200
    frozen()
    assert_unavailable(await ask_everything(gate, call))
    assert_unavailable(await ask_everything(gate, call))
    frozen.thaw()
    assert (await recovered(gate, call("after"))).status_code == 200


async def test_a_locked_account_holds_nobody_up_for_long(gate: httpx.AsyncClient, books: TestBooks, call: Body) -> None:
    """Somebody sits on one account's row: its checks are told 503 in time, the others are let through."""
    await books.open_account()
    await books.open_account("acct-2")
    transaction = books.connection.transaction()
    await transaction.start()
    await books.connection.execute("SELECT FROM ledger.accounts WHERE account_id = $1 FOR UPDATE", ACCOUNT)
    begun = time.monotonic()
    answers = await asyncio.gather(
        *(gate.post("/v1/checks/call", json=call(f"a{n}")) for n in range(5)),
        gate.post("/v1/checks/call", json=call("c1")),
        *(gate.post("/v1/checks/call", json=call(f"b{n}", account_id="acct-2")) for n in range(5)),
    )
    assert time.monotonic() - begun < 1
    assert [answer.status_code for answer in answers] == [503] * 6 + [200] * 5
    assert answers[0].json()["error"]["code"] == "billing_unavailable"
    await transaction.rollback()
    assert (await gate.post("/v1/checks/call", json=call("c3"))).status_code == 200
    hold = await books.hold("c1")
    assert hold is None  # told 503, so nothing may be left behind


async def test_one_poisoned_check_does_not_take_its_batch_with_it(
    gate: httpx.AsyncClient, books: TestBooks, call: Body
) -> None:
    """Our own mistake with one account (a book that can't be read) is that check's 503 and nobody else's."""
    await books.open_account()
    await books.open_account("acct-2")
    await books.own_prices([{"item": "no such item"}], account_id="acct-2")
    answers = await asyncio.gather(
        *(gate.post("/v1/checks/call", json=call(f"c{n}")) for n in range(5)),
        gate.post("/v1/checks/call", json=call("bad", account_id="acct-2")),
        *(gate.post("/v1/checks/call", json=call(f"d{n}")) for n in range(5)),
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [503]


async def test_books_that_take_longer_to_connect_to_than_a_check_may_take_are_reached_in_the_end(
    host_services: HostServices, settings: Settings, books: TestBooks, call: Body
) -> None:
    """Each check gives up after 0.8 s; connecting must go on, else a slow network closes the gate for good."""
    await books.open_account()
    async with FaultProxy(urlsplit(settings.postgres_url).port or 5432) as proxy:
        slow_url = str(URL(settings.postgres_url).with_port(proxy.port))
        hosted = await host_services(GATEKEEPER, postgres_url=slow_url)
        async with client_of(hosted) as gate:
            assert (await gate.post("/v1/checks/call", json=call("before"))).status_code == 200
            proxy.turn(Weather(latency_s=0.07))
            proxy.reset()
            assert (await recovered(gate, call("after"))).status_code == 200
