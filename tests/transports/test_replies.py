"""Answers go to the asker's own queue or nowhere."""

import asyncio

import aio_pika
import pytest

from shared.messaging.messages import Incoming
from shared.messaging.rabbit import Rabbit
from shared.messaging.topology import USAGE, Topology, WorkQueue, work_queue


async def question_of(rabbit: Rabbit, queue: WorkQueue) -> Incoming:
    subscription = await rabbit.subscribe(queue.name, prefetch=1)
    (question,) = await subscription.take(1)
    await subscription.ack_through(question)
    await subscription.close()
    return question


async def test_an_answer_reaches_direct_reply_to_with_its_correlation_id(
    rabbit: Rabbit, queue: WorkQueue, stranger: aio_pika.abc.AbstractChannel
) -> None:
    """Contract §2: with `reply_to` (direct reply-to …) the body comes back, same correlation_id."""
    await rabbit.declare(Topology((queue,)))
    answers: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    own = await stranger.get_queue("amq.rabbitmq.reply-to", ensure=False)
    await own.consume(answers.put, no_ack=True)
    exchange = await stranger.get_exchange(USAGE)
    message = aio_pika.Message(b"may I?", reply_to="amq.rabbitmq.reply-to", correlation_id="c-1")
    await exchange.publish(message, f"{queue.name}.x")
    question = await question_of(rabbit, queue)
    assert await rabbit.reply([(question, b'{"status":200}')]) == 1
    answer = await asyncio.wait_for(answers.get(), 5)
    assert (answer.body, answer.correlation_id) == (b'{"status":200}', "c-1")


async def test_an_answer_reaches_a_server_named_queue(rabbit: Rabbit, stranger: aio_pika.abc.AbstractChannel) -> None:
    answers: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    own = await stranger.declare_queue(exclusive=True)
    await own.consume(answers.put, no_ack=True)
    assert own.name.startswith("amq.gen-")
    assert await rabbit.reply([(Incoming(b"", reply_to=own.name, correlation_id="c-2"), b"yes")]) == 1
    answer = await asyncio.wait_for(answers.get(), 5)
    assert (answer.body, answer.correlation_id) == (b"yes", "c-2")


@pytest.mark.parametrize("name", ["{queue}", "{queue}.dead", "", "amq.gen-", "x amq.gen-1", "amq.gen-1 x", "amq.topic"])
async def test_any_other_name_is_ignored(rabbit: Rabbit, queue: WorkQueue, name: str) -> None:
    """Contract §2: another name is ignored. It would let a write-only user write into our queues."""
    await rabbit.declare(Topology((queue,)))
    question = Incoming(b"", reply_to=name.format(queue=queue.name), correlation_id="c-3")
    assert await rabbit.reply([(question, b"yes"), (Incoming(b""), b"yes")]) == 0
    await asyncio.sleep(0.1)
    assert await rabbit.depth(queue.name) == 0
    assert await rabbit.depth(queue.dead) == 0


async def test_an_asker_that_is_gone_stops_nobody(rabbit: Rabbit, stranger: aio_pika.abc.AbstractChannel) -> None:
    answers: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    own = await stranger.declare_queue(exclusive=True)
    await own.consume(answers.put, no_ack=True)
    here = Incoming(b"", reply_to=own.name)
    gone = [Incoming(b"", reply_to="amq.gen-gone"), Incoming(b"", reply_to="amq.rabbitmq.reply-to.bm9uc2Vuc2U.x")]
    for question in (*gone, here, *gone, here):
        await rabbit.reply([(question, b"yes")])
        await asyncio.sleep(0.1)
    for _ in range(2):
        await asyncio.wait_for(answers.get(), 5)


async def test_a_queue_bound_by_several_keys_hears_each_of_them(rabbit: Rabbit) -> None:
    several = work_queue("tests.several", USAGE, "tests.several.a", "tests.several.b.#")
    await rabbit.declare(Topology((several,)))
    assert [binding.routing_key for binding in several.bindings] == ["tests.several.a", "tests.several.b.#"]
    assert work_queue("tests.all", USAGE).bindings[0].routing_key == "#"
