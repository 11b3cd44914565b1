"""Overhearing: news for whoever looks now; nothing is kept, nothing waits."""

import asyncio

import pytest

from deploy.local.rabbitmq import PrivateBroker
from shared.messaging.messages import Incoming, Message
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import EVENTS, Topology
from tests.transports.steps import eventually


async def test_what_is_said_is_heard_by_each_who_listens_and_by_key(rabbit: Rabbit) -> None:
    await rabbit.declare(Topology(()))
    all_heard: list[bytes] = []
    some_heard: list[bytes] = []
    first = await rabbit.overhear(EVENTS, "#", lambda message: all_heard.append(message.body))
    second = await rabbit.overhear(EVENTS, "said.a.#", lambda message: some_heard.append(message.body))
    await asyncio.gather(first.listening(), second.listening())
    await rabbit.publish(Message(EVENTS, "said.a.b", b"1"))
    await rabbit.publish(Message(EVENTS, "said.c", b"2"))
    await eventually(lambda: all_heard == [b"1", b"2"] and some_heard == [b"1"])


async def test_after_closing_nothing_is_heard_and_no_queue_is_left(rabbit: Rabbit) -> None:
    await rabbit.declare(Topology(()))
    heard: list[Incoming] = []
    overhearing = await rabbit.overhear(EVENTS, "#", heard.append)
    await overhearing.listening()
    await overhearing.close()
    await rabbit.publish(Message(EVENTS, "said.x", b"1"))
    await asyncio.sleep(0.3)
    assert heard == []


@pytest.mark.long
async def test_overhearing_comes_back_after_a_killed_broker(server: PrivateBroker, rabbit: Rabbit) -> None:
    await rabbit.declare(Topology(()))
    heard: list[bytes] = []
    overhearing = await rabbit.overhear(EVENTS, "#", lambda message: heard.append(message.body))
    await overhearing.listening()
    await server.kill()
    await server.start()
    async with asyncio.timeout(15):
        await overhearing.listening()
    for _ in range(20):
        await rabbit.publish(Message(EVENTS, "said.x", b"again"), timeout_s=10)
        await asyncio.sleep(0.2)
        if heard:
            break
    assert heard[0] == b"again"
