"""Publishing: many messages as one write, each with its confirm.

aiormq publishes one message per call and task. Its channel keeps the confirms by delivery tag, so a batch is
written here as one block of frames under the channel's own lock: a fifth of the time, the same guarantees.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from random import getrandbits
from typing import cast

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.connection import Connection
from aiormq.exceptions import AMQPChannelError, DeliveryError, PublishError
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from shared.messaging.errors import BrokerUnreachable, NotPublished, Refused, Unconfirmed, Unroutable
from shared.messaging.messages import Message
from shared.messaging.rabbit.link import GONE, Link
from shared.tasks import look_at

PERSISTENT = 2
TRANSIENT = 1
Frame = commands.Basic.Publish | ContentHeader | ContentBody
Confirm = asyncio.Future[object]


class Publisher:
    """One channel of a link, opened when first needed and again after every loss."""

    def __init__(self, link: Link, *, confirmed: bool) -> None:
        self._link = link
        self._confirmed = confirmed
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()

    async def publish(self, messages: Sequence[Message], timeout_s: float) -> list[NotPublished | None]:
        """Per message None when the broker has it. Raises `BrokerUnreachable` when nothing was sent."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        confirms = await self._send(messages, timeout_s)
        if confirms:
            await asyncio.wait(confirms, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        alone = len(confirms) == 1
        return [_verdict(confirm, alone=alone) for confirm in confirms]

    async def send(self, messages: Sequence[Message], timeout_s: float) -> None:
        """Write without waiting for anything but room in the socket."""
        await self._send(messages, timeout_s)

    async def _send(self, messages: Sequence[Message], timeout_s: float) -> list[Confirm]:
        try:
            async with asyncio.timeout(timeout_s):
                channel = await self._ready_channel(timeout_s)
                return await self._write(channel, messages)
        except GONE as error:
            raise BrokerUnreachable(f"could not send: {error or type(error).__name__}") from error

    async def _ready_channel(self, timeout_s: float) -> Channel:
        async with self._opening:
            connection = await self._link.connection(timeout_s)
            await connection.ready()  # waits while the broker blocks publishers (memory or disk alarm)
            if self._channel is None or self._channel.is_closed or self._channel.connection is not connection:
                self._channel = await _open_channel(connection, confirmed=self._confirmed)
            return self._channel

    async def _write(self, channel: Channel, messages: Sequence[Message]) -> list[Confirm]:
        async with channel.lock:
            before = channel.delivery_tag
            confirms: list[Confirm] = []
            try:
                frames = self._prepare(channel, messages, confirms)
                await channel.write_queue.put(ChannelFrame.marshall(channel.number, frames))
            except BaseException:  # not written: the tags go to the next batch
                channel.delivery_tag = before
                for tag, confirm in enumerate(confirms, before + 1):
                    channel.confirmations.pop(tag, None)
                    confirm.cancel()
                raise
        return confirms

    def _prepare(self, channel: Channel, messages: Sequence[Message], confirms: list[Confirm]) -> list[Frame]:
        frames: list[Frame] = []
        for message in messages:
            message_id = message.message_id or _fresh_id()
            if message.mandatory and message_id in channel.message_id_delivery_tag:
                message_id = _fresh_id()  # a return names its message by this id alone
            frames.extend(_frames(message, message_id, PERSISTENT if self._confirmed else TRANSIENT, channel))
            if self._confirmed:
                channel.delivery_tag += 1
                confirms.append(_expect(channel, message_id, mandatory=message.mandatory))
        return frames


def _expect(channel: Channel, message_id: str, *, mandatory: bool) -> Confirm:
    confirm: Confirm = channel.create_future()
    channel.confirmations[channel.delivery_tag] = confirm
    if mandatory:
        channel.message_id_delivery_tag[message_id] = channel.delivery_tag
        confirm.add_done_callback(lambda _: channel.message_id_delivery_tag.pop(message_id, None))
    return confirm


async def _open_channel(connection: Connection, *, confirmed: bool) -> Channel:
    channel = await connection.channel(publisher_confirms=confirmed)
    assert isinstance(channel, Channel)
    return channel


def _frames(message: Message, message_id: str, delivery_mode: int, channel: Channel) -> Iterator[Frame]:
    yield commands.Basic.Publish(
        exchange=message.exchange, routing_key=message.routing_key, mandatory=message.mandatory
    )
    properties = commands.Basic.Properties(
        content_type=message.content_type,
        headers=cast(FieldTable, message.headers) or None,
        delivery_mode=delivery_mode,
        correlation_id=message.correlation_id,
        expiration=None if message.expiration_ms is None else str(message.expiration_ms),
        message_id=message_id,
        timestamp=None if message.sent_at is None else datetime.fromtimestamp(message.sent_at, UTC),
    )
    yield ContentHeader(body_size=len(message.body), properties=properties)
    for start in range(0, len(message.body), channel.max_content_size):
        yield ContentBody(message.body[start : start + channel.max_content_size])


def _verdict(confirm: Confirm, *, alone: bool) -> NotPublished | None:
    if not confirm.done():
        confirm.cancel()
        return Unconfirmed("the broker did not confirm the message in time")
    if confirm.cancelled():
        return Unconfirmed("the connection closed before the broker confirmed the message")
    error = confirm.exception()
    if error is None:
        return None
    if isinstance(error, PublishError):
        return Unroutable("no queue takes the message")
    if isinstance(error, DeliveryError):
        return Refused("the broker rejected the message")
    if alone and isinstance(error, AMQPChannelError):  # of several, nobody knows which one it was
        return Refused(f"the broker refused the message: {error}")
    return Unconfirmed(f"the channel closed before the broker confirmed the message: {error}")


def _fresh_id() -> str:
    return f"{getrandbits(128):032x}"


async def close_quietly(channel: Channel | None, timeout_s: float) -> None:
    """Close a channel whose connection may be gone or stuck; never takes longer than the timeout."""
    if channel is None or channel.is_closed:
        return
    closing = asyncio.ensure_future(channel.close(timeout=timeout_s))
    closing.add_done_callback(look_at)  # whatever it was, it is gone
    await asyncio.wait([closing], timeout=timeout_s)
