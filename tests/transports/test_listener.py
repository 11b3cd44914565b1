"""Low-rate handlers: one message, one transaction."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from shared.clock import SystemClock
from shared.messaging.batch import BatchPolicy
from shared.messaging.cloudevents import cloud_event
from shared.messaging.giving_up import RetryPolicy
from shared.messaging.listener import Heard, Listen, Listener
from shared.messaging.messages import Dead, Incoming, Message, Outcome, Retry
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE, WorkQueue
from tests.transports.steps import eventually


class SuspendAccount(BaseModel):
    model_config = ConfigDict(strict=True)
    account_id: str
    cents: int = 0


class Books:
    """A store with transactions: what a block wrote is kept only when the block ends well."""

    def __init__(self) -> None:
        self.committed: list[str] = []
        self.rolled_back: list[str] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[list[str]]:
        written: list[str] = []
        try:
            yield written
        except BaseException:
            self.rolled_back += written
            raise
        self.committed += written


@pytest.fixture
def books() -> Books:
    return Books()


Run = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def run(rabbit: Rabbit, queue: WorkQueue, books: Books) -> Run:
    @asynccontextmanager
    async def run(handler: Any) -> AsyncIterator[None]:
        listen: Listen[list[str]] = Listen(queue, {"account.suspend": SuspendAccount}, handler)
        policy = BatchPolicy(4, 8, RetryPolicy(delays_s=(0.2, 0.2)), outage_pauses_s=(0.05,))
        listener = Listener(rabbit, listen, books.transaction, policy=policy)
        await listener.start()
        try:
            yield
        finally:
            await listener.stop()

    return run


def command(id: str, *, type: str = "account.suspend", data: object = None) -> bytes:
    return cloud_event(id=id, type=type, time=SystemClock().now(), data={"account_id": id} if data is None else data)


async def send(rabbit: Rabbit, queue: WorkQueue, *bodies: bytes) -> None:
    assert not any(await rabbit.publish_many([Message(USAGE, f"{queue.name}.x", body) for body in bodies]))


async def parked(rabbit: Rabbit, queue: WorkQueue, count: int) -> list[Incoming]:
    async def all_are_there() -> bool:
        return await rabbit.depth(queue.dead) == count

    await eventually(all_are_there)
    async with rabbit.hold(queue.dead) as held:
        return [message for _ in range(count) if (message := await held.next())]


async def test_a_handled_message_is_committed_and_gone(
    rabbit: Rabbit, queue: WorkQueue, books: Books, run: Run
) -> None:
    heard_types: list[str] = []

    async def suspend_account(message: Heard[SuspendAccount], tx: list[str]) -> None:
        heard_types.append(message.event.type)
        tx.append(message.data.account_id)

    async with run(suspend_account):
        await send(rabbit, queue, *(command(f"a{number}") for number in range(20)))
        await eventually(lambda: len(books.committed) == 20)
    assert sorted(books.committed) == sorted(f"a{number}" for number in range(20))
    assert set(heard_types) == {"account.suspend"}
    assert await rabbit.depth(queue.name) == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "invalid_event"),
        (b"\xff\xfe{\x00", "invalid_event"),
        (b'{"a":NaN}', "invalid_event"),
        (b"[" * 100_000, "invalid_event"),
        (b"[]", "invalid_event"),
        (b'{"specversion":"0.3","id":"1","source":"s","type":"account.suspend"}', "invalid_event"),
        (command("x", data={"account_id": True}), "invalid_event"),
        (command("x", data={}), "invalid_event"),
        (command("x", data=[]), "invalid_event"),
        (command("x", type="account.delete"), "unknown_type"),
    ],
)
async def test_bad_input_is_parked_with_its_reason_and_stops_nobody(
    rabbit: Rabbit, queue: WorkQueue, books: Books, run: Run, body: bytes, reason: str
) -> None:
    """Failure modes, hostile input: a dead letter, never a loop."""

    async def suspend_account(message: Heard[SuspendAccount], tx: list[str]) -> None:
        tx.append(message.data.account_id)

    async with run(suspend_account):
        await send(rabbit, queue, body, command("good"))
        await eventually(lambda: books.committed == ["good"])
        (dead,) = await parked(rabbit, queue, 1)
    assert dead.body == body
    assert dead.headers["ringfence-reason"] == reason
    assert dead.headers["ringfence-attempts"] == 1
    assert dead.headers["ringfence-detail"]


async def test_a_mistake_of_the_handler_is_rolled_back_retried_and_parked(
    rabbit: Rabbit, queue: WorkQueue, books: Books, run: Run
) -> None:
    async def suspend_account(message: Heard[SuspendAccount], tx: list[str]) -> None:
        tx.append(message.data.account_id)
        if message.data.account_id == "bad":
            raise ZeroDivisionError("a mistake")

    async with run(suspend_account):
        await send(rabbit, queue, command("bad"), command("good"))
        (dead,) = await parked(rabbit, queue, 1)
    assert books.committed == ["good"]
    assert books.rolled_back == ["bad"] * 3
    assert dead.headers["ringfence-reason"] == "retries_exhausted"
    assert dead.headers["ringfence-detail"] == "ZeroDivisionError: a mistake"
    assert dead.headers["ringfence-attempts"] == 3


async def test_an_outcome_undoes_its_transaction(rabbit: Rabbit, queue: WorkQueue, books: Books, run: Run) -> None:
    tries: list[str] = []

    async def suspend_account(message: Heard[SuspendAccount], tx: list[str]) -> Outcome | None:
        account_id = message.data.account_id
        tries.append(account_id)
        tx.append(account_id)
        if account_id == "unknown" and tries.count("unknown") == 1:
            return Retry("unknown_account", "not yet")
        return Dead("not_permitted", "never") if account_id == "forbidden" else None

    async with run(suspend_account):
        await send(rabbit, queue, command("unknown"), command("forbidden"))
        await eventually(lambda: books.committed == ["unknown"])
        (dead,) = await parked(rabbit, queue, 1)
    assert sorted(books.rolled_back) == ["forbidden", "unknown"]
    assert dead.headers["ringfence-reason"] == "not_permitted"


async def test_an_outage_is_waited_out_and_nothing_is_done_twice(
    rabbit: Rabbit, queue: WorkQueue, books: Books, run: Run
) -> None:
    is_down = True

    async def suspend_account(message: Heard[SuspendAccount], tx: list[str]) -> None:
        if is_down and message.data.account_id == "a1":
            raise ConnectionResetError("the books are out of reach")
        tx.append(message.data.account_id)

    async with run(suspend_account):
        await send(rabbit, queue, *(command(f"a{number}") for number in range(4)))
        await asyncio.sleep(0.5)
        assert "a1" not in books.committed
        is_down = False
        await eventually(lambda: len(books.committed) == 4)
        await asyncio.sleep(0.2)
    assert sorted(books.committed) == ["a0", "a1", "a2", "a3"]
    assert await rabbit.depth(queue.dead) == 0
    assert await rabbit.depth(queue.retry) == 0
